// Pinned sentences, changed along the way from one group of texts to another.

import { button, element, field, latest, select, tell } from "./dom.js";
import { supported } from "./sentence.js";

export function editPanel(session) {
  const pins = element("ul", { className: "list", id: "pins" });
  const lists = element("div");
  const groups = element("div", { className: "row" });
  const strength = element("input", { type: "range", min: -2, max: 3, step: 0.05, value: 1, id: "strength", ariaLabel: "strength" });
  const shown = element("output", {}, "1.00");
  const results = element("ul", { className: "list", id: "edited" });
  const chosen = { from: "", to: "" };
  const live = latest(() => edited(session, chosen, Number(strength.value), results));
  const redraw = () => {
    fillPins(session, pins);
    fillLists(session, lists);
    fillGroups(session, groups, chosen, live);
    live();
  };
  strength.addEventListener("input", () => {
    shown.textContent = Number(strength.value).toFixed(2);
    live();
  });
  for (const name of ["pinned", "ready"]) session.addEventListener(name, redraw);
  return [
    element("p", { className: "small" }, "Pin sentences, choose what they have and what they are to have, and move the strength. The groups are the labels of the texts, or your lists A and B."),
    pins, groups, element("label", { className: "slider far" }, "how far", strength, shown), results,
    button("Keep these", () => keep(session, results, chosen, Number(strength.value))), lists,
  ];
}

function fillPins(session, pins) {
  const items = session.pins.map((text, number) => element("li", {}, element("span", {}, String(number + 1)), element("span", { className: "choice" }, text), drop(() => session.pins.splice(number, 1), session)));
  pins.replaceChildren(...(items.length ? items : [element("li", {}, "no sentence is pinned")]));
}

const drop = (work, session) => button("×", () => {
  work();
  session.tellAll("pinned");
}, { className: "drop", ariaLabel: "Remove" });

function fillLists(session, lists) {
  lists.replaceChildren(...Object.entries(session.lists).map(([name, texts]) =>
    element("div", {}, element("h2", {}, `List ${name}: ${texts.length}`), element("ul", { className: "list" }, ...texts.map((text, number) =>
      element("li", {}, element("span", { className: "choice" }, text), drop(() => texts.splice(number, 1), session)))))));
}

function fillGroups(session, row, chosen, live) {
  const labels = session.pane.answer.groups.map(({ label }) => [`label:${label}`, `label ${label}`]);
  const all = [...labels, ["list:A", "list A"], ["list:B", "list B"]];
  if (!all.some(([name]) => name === chosen.from)) [chosen.from, chosen.to] = [all[0][0], all[1][0]];
  const choose = (end) => select(all, chosen[end], (name) => {
    chosen[end] = name;
    live();
  }, { id: `edit-${end}` });
  row.replaceChildren(field("from", choose("from")), field("to", choose("to")));
}

const mean = (codes) => codes[0].map((_, dimension) => codes.reduce((sum, code) => sum + code[dimension], 0) / codes.length);

async function middle(session, pane, name) {
  const [kind, group] = [name.slice(0, name.indexOf(":")), name.slice(name.indexOf(":") + 1)];
  if (kind === "label") return pane.answer.groups.find(({ label }) => label === group).code;
  const texts = session.lists[group];
  if (!texts.length) throw new Error(`list ${group} is empty; put sentences there with To list ${group}`);
  return mean(await pane.model.encode(texts));
}

async function edited(session, { from, to }, strength, results) {
  if (!session.pins.length) return results.replaceChildren();
  const { pane } = session;
  const ends = await Promise.all([from, to].map((name) => middle(session, pane, name)));
  const codes = await pane.model.encode(session.pins);
  const moved = codes.map((code) => supported(code.map((value, dimension) => value + strength * (ends[1][dimension] - ends[0][dimension])), pane));
  const texts = await pane.model.decode(moved, session.strategy);
  pane.mark([...codes, ...moved.slice(-1)]);
  results.replaceChildren(...texts.map((text, number) => element("li", {}, element("span", {}, String(number + 1)), button(text, () => tell(() => session.code(pane, moved[number], "edit")), { className: "choice" }))));
  return undefined;
}

function keep(session, results, { from, to }, strength) {
  [...results.querySelectorAll("button")].forEach((each, number) => session.keep("edit", session.pane, { from, to, strength, before: session.pins[number], text: each.textContent }));
}
