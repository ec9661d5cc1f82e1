// Leads to the pages of other weights. `props.own`: the place of this one on the server, which the
// address ends with; what stands before it is a proxy's prefix.
const path = location.pathname.replace(/\/+$/, "");
const root = path.endsWith(props.own) ? path.slice(0, path.length - props.own.length) : path;
for (const link of element.querySelectorAll("a")) {
  const lead = () => { link.href = `${root}${link.dataset.place}/${location.search}`; };
  ["pointerenter", "pointerdown", "focus", "click"].forEach((kind) => link.addEventListener(kind, lead));
  lead();
}
