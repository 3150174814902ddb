// Sentences with blanks, and sentences that are looked for.

import { button, element, field, select, tell } from "./dom.js";

export function blanksPanel(session) {
  const text = element("textarea", { id: "blanks", rows: 2, placeholder: "the ___ was great" });
  const words = select([["1", "one word"], ["2", "two words"], ["3", "three words"], ["0", "1 to 4 words"]], "1", () => {});
  const found = element("ul", { className: "list", id: "filled" });
  const fill = async () => {
    const { pane } = session;
    const { answers, refused } = await pane.model.operation("impute", { texts: [text.value], n: 6, words: Number(words.value) });
    if (refused.length) throw Object.assign(new Error(`the text ${refused[0].problem}`), { remedy: refused[0].remedy });
    found.replaceChildren(...answers.map((answer) => result(session, pane, share(answer), answer.text)));
    for (const answer of answers) session.keep("impute", pane, { text: answer.text, probability: answer.probability, standard_error: answer.standard_error });
  };
  const form = element("form", { onsubmit: (event) => {
    event.preventDefault();
    session.ask(fill);
  } }, field("Sentence with ___ for each blank", text, { className: "field wide" }), element("div", { className: "row" }, field("Each blank is", words), button("Fill", null, { type: "submit" })));
  return [form, element("p", { className: "small" }, "Shares of draws from the model, given the words that are there, with their standard errors."), found];
}

const share = (answer) => `${answer.probability.toFixed(3)} ± ${answer.standard_error === null ? "none" : answer.standard_error.toFixed(3)}`;

export function searchPanel(session) {
  const text = element("input", { id: "query", type: "search" });
  const how = select([["near", "neighbours of a text"], ["part", "texts that contain it"]], "near", () => {}, { id: "how" });
  const told = element("p", { className: "small" });
  const found = element("ul", { className: "list", id: "hits" });
  const look = async () => {
    const { pane } = session;
    const hits = how.value === "near" ? await near(pane, text.value) : containing(pane, text.value);
    pane.map.set({ found: hits.map(({ point }) => point) });
    told.textContent = `${hits.length} texts${how.value === "near" ? ", with the distance of their codes" : " of those on the map, 200 at most"}`;
    found.replaceChildren(...hits.slice(0, 50).map((hit) => result(session, pane, hit.distance === undefined ? "" : hit.distance.toFixed(2), hit.text)));
  };
  const form = element("form", { className: "row", onsubmit: (event) => {
    event.preventDefault();
    session.ask(look);
  } }, field("Text", text), field("Look for", how), button("Search", null, { type: "submit" }));
  return [form, told, found];
}

const near = async (pane, text) => pane.model.nearest((await pane.model.encode([text]))[0], 12);

function containing(pane, part) {
  const wanted = part.toLowerCase();
  const hits = [];
  for (let point = 0; wanted && point < pane.texts.length && hits.length < 200; point++) {
    if (pane.texts[point].toLowerCase().includes(wanted)) hits.push({ point, text: pane.texts[point] });
  }
  return hits;
}

function result(session, pane, number, text) {
  return element("li", {}, element("span", {}, number), button(text, () => tell(() => session.text(pane, text)), { className: "choice" }));
}
