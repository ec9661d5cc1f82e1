// Questions to the server, one at a time: of those that come up while one is under way only the
// newest is asked, so the last value always wins. `want()` gives the settings to ask for, or null if
// there is nothing to ask; `send(question)` puts it; `receive(reply, settings)` hears the answer.
const FAILED = "The server did not answer; move a control to try again.";
const courier = (channel, element, { want, send, receive }) => {
  let serial = 0;
  let flying = null; // the settings asked for
  const poke = () => {
    if (flying !== null) return;
    flying = want();
    if (flying === null) return;
    serial += 1;
    send({ ...flying, serial });
  };
  const land = (reply) => {
    const settings = flying;
    flying = null;
    receive(reply, settings);
    poke();
  };
  Studio.on("studio-failed", element, (which) => {
    if (which === channel && flying !== null) land({ error: FAILED });
  });
  return {
    poke,
    hear(reply) { if (reply && flying !== null && reply.serial === serial) land(reply); },
  };
};
