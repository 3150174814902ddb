// Puts the page together.

import { Model, models, setKey } from "./api.js";
import { blanksPanel, searchPanel } from "./blanks.js";
import { button, element, field, one, say, select, tell } from "./dom.js";
import { editPanel } from "./edit.js";
import { madePanel } from "./made.js";
import { Pane } from "./pane.js";
import { pathPanel } from "./path.js";
import { sentencePanel } from "./sentence.js";
import { Session } from "./session.js";

const PANELS = [["Sentence", sentencePanel], ["Line", pathPanel], ["Edit", editPanel], ["Blanks", blanksPanel], ["Search", searchPanel], ["Made", madePanel]];

const session = new Session();
session.ask = async (work) => {
  say("working");
  if ((await tell(async () => (await work(), true))) && one("#status").textContent === "working") say("");
};

const tells = {
  click: (pane, place, point) => session.ask(async () => {
    open("Sentence");
    await session.at(pane, place, point);
  }),
  line: (pane, from, to) => {
    open("Line");
    session.path = { pane, from, to };
    session.tellAll("line");
  },
  turned: (pane) => session.current?.pane === pane && pane.mark([session.current.code]),
};

function addPanels() {
  for (const [name, build] of PANELS) {
    const tab = button(name, () => open(name), { role: "tab", id: `tab-${name}` });
    tab.setAttribute("aria-controls", `panel-${name}`);
    one("#tabs").append(tab);
    const panel = element("section", { className: "panel", id: `panel-${name}`, role: "tabpanel" }, ...build(session));
    panel.setAttribute("aria-labelledby", `tab-${name}`);
    one("#panels").append(panel);
  }
  one("#tabs").addEventListener("keydown", turn);
  open("Sentence");
}

function open(name) {
  for (const [each] of PANELS) {
    one(`#panel-${each}`).hidden = each !== name;
    one(`#tab-${each}`).setAttribute("aria-selected", String(each === name));
    one(`#tab-${each}`).tabIndex = each === name ? 0 : -1;
  }
}

function turn(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const now = PANELS.findIndex(([name]) => one(`#tab-${name}`) === document.activeElement);
  const [name] = PANELS[(now + step + PANELS.length) % PANELS.length];
  open(name);
  one(`#tab-${name}`).focus();
}

async function show(number, description) {
  const root = one(`#pane-${number}`);
  const pane = new Pane(root, new Model(description), tells);
  pane.chooser = session.known.length > 1 ? field("Run", select(session.known.map(({ id }) => [id, id]), description.id, (id) => tell(() => show(number, session.known.find((each) => each.id === id))), { id: `run-${number}` })) : null;
  root.hidden = false;
  if (pane.chooser) pane.controls.append(pane.chooser);
  session.panes[number] = pane;
  session.current = null;
  await pane.load();
  session.tellAll("ready");
  tell(() => pane.readTexts());
  say(`${description.id} is shown`);
}

async function hide() {
  session.panes.length = 1;
  session.current = null;
  one("#pane-1").hidden = true;
}

function addCompare() {
  if (session.known.length < 2) return;
  const box = element("input", { type: "checkbox", id: "compare", onchange: () => (box.checked ? session.ask(() => show(1, session.known.find(({ id }) => id !== session.panes[0].model.id))) : hide()) });
  one("#runs").append(element("label", { className: "check" }, box, "compare two runs"));
}

function askForKey() {
  const key = element("input", { type: "password", id: "key", autocomplete: "off" });
  const form = element("form", { className: "key-form", onsubmit: (event) => {
    event.preventDefault();
    setKey(key.value);
    form.remove();
    start();
  } }, field("Key of this server", key), button("Use", null, { type: "submit" }));
  one("#runs").replaceChildren(form);
}

async function start() {
  try {
    session.known = await models();
    addCompare();
    await show(0, session.known[0]);
  } catch (error) {
    if (error.status === 401) askForKey();
    say(`${error.message}${error.remedy ? `; ${error.remedy}` : ""}`, true);
  }
}

addPanels();
start();
