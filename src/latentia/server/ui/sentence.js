// The sentence or place that is looked at, and a slider for each dimension of its code.

import { button, element, field, latest, select } from "./dom.js";

const REACH = 3.5;

export function sentencePanel(session) {
  const text = element("p", { className: "text", id: "text" }, "Click the map: a point is a sentence, any other place is decoded. With Alt held, a click decodes the place even where a point is.");
  const about = element("p", { className: "small", id: "about" });
  const linked = element("p", { className: "small", id: "linked" });
  const sliders = element("div", { className: "sliders", id: "sliders", hidden: true });
  const own = element("input", { id: "own", placeholder: "a sentence of your own" });
  const move = latest((code) => session.moved(code));
  const strategies = [["Greedy", "the most probable word each"], ["Beam", "beam search"], ["Ancestral", "drawn"]];

  session.addEventListener("chosen", ({ detail }) => {
    text.textContent = detail.text;
    about.textContent = described(detail);
    linked.textContent = "";
    fill(sliders, detail, move);
  });
  session.addEventListener("moved", ({ detail }) => {
    text.textContent = detail.text;
    about.textContent = "what the code of the sliders decodes to";
  });
  session.addEventListener("linked", ({ detail }) => (linked.textContent = `${detail.pane.model.id} writes of it: ${detail.text}`));

  const current = () => session.current?.text;
  return [
    text, about, linked,
    element("div", { className: "row" },
      button("Pin", () => session.pin(current())), button("To list A", () => session.list("A", current())),
      button("To list B", () => session.list("B", current())), button("Keep", () => session.current && session.keep("sentence", session.pane, { text: current(), code: session.current.code }))),
    element("form", { className: "row", onsubmit: (event) => submit(event, session, own.value) }, field("Your own sentence", own), button("Encode", null, { type: "submit" })),
    field("How words are chosen", select(strategies, "Greedy", (kind) => (session.strategy = kind))),
    element("h2", {}, "Dimensions of its code"), sliders,
  ];
}

function submit(event, session, text) {
  event.preventDefault();
  session.ask(() => session.text(session.pane, text));
}

function described({ origin, again }) {
  if (origin === "text") return `a sentence; its code decodes to: ${again}`;
  return { place: "what the code of this place decodes to", edit: "an edited sentence", path: "a place on the line" }[origin] ?? "";
}

function fill(sliders, { code, pane }, move) {
  const changed = [...code];
  const reach = pane.answer.on_sphere ? 1 : REACH;
  sliders.hidden = false;
  sliders.replaceChildren(...code.map((value, dimension) => slider(dimension, value, reach, (number) => {
    changed[dimension] = number;
    move(supported(changed, pane));
  })));
}

// On a sphere a code is a direction.
export function supported(code, pane) {
  if (!pane.answer.on_sphere) return [...code];
  const length = Math.hypot(...code) || 1;
  return code.map((value) => value / length);
}

function slider(dimension, value, reach, change) {
  const shown = element("output", {}, value.toFixed(2));
  const range = element("input", { type: "range", min: -reach, max: reach, step: 0.01, value, ariaLabel: `dimension ${dimension + 1}` });
  range.addEventListener("input", () => {
    shown.textContent = Number(range.value).toFixed(2);
    change(Number(range.value));
  });
  return element("div", { className: "slider" }, element("span", {}, String(dimension + 1)), range, shown);
}
