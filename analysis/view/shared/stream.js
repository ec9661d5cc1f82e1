// No answer is lost to Gradio's client (6.31). The server ends its stream of events where none is under way, and says so
// in the stream's last message. Where the answer to the next `queue/join` overtakes that message (behind a proxy, on a
// busy machine), the client believes that the old stream still runs, opens none, and its event is never heard of again.
// So the client is given one stream that goes on: it is put together here from the server's, each of which is asked for
// while an event is under way. Where none is, no connection is held.
(() => {
  const plain = window.fetch;
  const COMPLETED = /^data: \{"msg":"process_completed","event_id":"(\w+)"/;
  const END = /^data: \{"msg":"close_stream"/;
  const encoder = new TextEncoder();
  const running = new Set(); // events that were joined and are not completed
  const early = new Set(); // those completed before the answer to their join came
  let wake = () => {}; // goes on with a stream that waits for an event

  async function join(...request) {
    const answer = await plain(...request);
    const { event_id: id } = await answer.clone().json().catch(() => ({}));
    if (id && !early.delete(id)) {
      running.add(id);
      wake();
    }
    return answer;
  }

  // What one stream of the server's says before its end.
  async function* messages(answer) {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new TypeError("The stream of events broke off.");
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      for (const part of parts) {
        if (END.test(part)) {
          reader.cancel().catch(() => {});
          return;
        }
        const [, id] = COMPLETED.exec(part) ?? [];
        if (id && !running.delete(id)) early.add(id);
        yield `${part}\n\n`;
      }
    }
  }

  async function* endless(request, first) {
    for (let answer = first; ; answer = await plain(request.clone())) {
      if (!answer.ok) throw new TypeError(`The stream of events: ${answer.status}.`);
      yield* messages(answer);
      if (running.size === 0) await new Promise((go) => { wake = go; });
    }
  }

  async function stream(...given) {
    const request = new Request(...given);
    const first = await plain(request.clone());
    if (!first.ok) return first;
    const all = endless(request, first);
    const body = new ReadableStream({
      async pull(controller) { controller.enqueue(encoder.encode((await all.next()).value)); },
    });
    return new Response(body, { headers: first.headers });
  }

  window.fetch = (...request) => {
    const { pathname } = new URL(request[0].url ?? request[0], location.href);
    if (pathname.endsWith("/queue/join")) return join(...request);
    return pathname.endsWith("/queue/data") ? stream(...request) : plain(...request);
  };
})();
