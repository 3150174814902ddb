// What the colours, lines and shades of a map mean.

import { button, element } from "./dom.js";

const shown = (value) => (Math.abs(value) >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toPrecision(3));

export function legend(scale, title, densities, holes, onhole) {
  const entries = [];
  if (title) entries.push(element("strong", {}, title));
  scale.categories.forEach((name, number) => entries.push(entry(`series-${number % 8}`, name)));
  if (scale.ramped) entries.push(element("span", {}, shown(scale.low), element("i", { className: "ramp" }), shown(scale.high)));
  if (densities) entries.push(entry("line", "prior: 50, 90, 99 % of its mass"), entry("hole", "prior without texts (hole)"));
  for (const hole of holes) {
    entries.push(button(`${hole.number}: ${(100 * hole.mass).toFixed(1)} % of the prior`, () => onhole(hole), { className: "hole-button", title: "Decode this hole" }));
  }
  return entries;
}

const entry = (kind, text) => element("span", {}, element("i", { className: `key ${kind}` }), text);
