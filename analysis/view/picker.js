// `chosen` (a prop, set by the server) is the index of the picture shown, or null for an upload.
const buttons = [...element.querySelectorAll("button")];
const mark = () => buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(i === props.value)));
buttons.forEach((button, index) => button.addEventListener("click", () => trigger("pick", { index })));
watch("value", mark);
mark();
