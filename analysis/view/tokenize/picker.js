// The example pictures. Whoever sets Studio.settings.example, this asks the server for it.
const buttons = [...element.querySelectorAll("button")];

function follow() {
  const { example, picture } = Studio.settings;
  buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.name === example)));
  if (example !== null && picture === null) trigger("pick", { example });
}

buttons.forEach((button) => button.addEventListener("click", () => Studio.set({ example: button.dataset.name })));
Studio.on("studio", element, ({ changed }) => { if (changed.includes("example") || changed.includes("picture")) follow(); });
if (Studio.settings.example !== null) follow();
else if (buttons.length && Studio.settings.picture === null) Studio.set({ example: buttons[0].dataset.name });
