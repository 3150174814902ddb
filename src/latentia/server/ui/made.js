// What was made on this page, to take along.

import { button, element, say } from "./dom.js";

const SHOWN = 100;

export function madePanel(session) {
  const told = element("p", { className: "small" });
  const list = element("ul", { className: "list", id: "made" });
  const redraw = () => {
    told.textContent = `${session.made.length} rows; codes are in the files.`;
    list.replaceChildren(...session.made.slice(-SHOWN).reverse().map(({ kind, text }) => element("li", {}, element("span", {}, kind), element("span", { className: "choice" }, text))));
  };
  session.addEventListener("made", redraw);
  redraw();
  const clear = () => {
    session.made.length = 0;
    redraw();
  };
  return [
    element("div", { className: "row" }, button("JSON Lines", () => save("latentia.jsonl", lines(session.made))), button("CSV", () => save("latentia.csv", table(session.made))), button("Clear", clear)),
    told, list,
  ];
}

export const lines = (rows) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

// A cell that begins like a formula is one to a spreadsheet; a quote before it makes it text.
function cell(value) {
  const text = typeof value === "string" ? value.replace(/^[=+@\t\r-]/, "'$&") : Array.isArray(value) ? value.join(" ") : String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function table(rows) {
  const names = [...new Set(rows.flatMap(Object.keys))];
  return [names, ...rows.map((row) => names.map((name) => row[name]))].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

function save(name, content) {
  const address = URL.createObjectURL(new Blob([content], { type: "text/plain" }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
  say(`${name} is saved`);
}
