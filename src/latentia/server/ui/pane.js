// One model beside its map: which plane, which colours, what is under the hand.

import { Superseded } from "./api.js";
import { PLAIN, scale } from "./colours.js";
import { button, element, field, latest, one, say, select, tell } from "./dom.js";
import { Hands } from "./hands.js";
import { MapCanvas } from "./map.js";
import { legend } from "./legend.js";

const PLANES = {
  principal: "where texts vary most",
  difference: "where prior and texts differ most",
  dimensions: "two dimensions",
  neighbours: "neighbours (UMAP)",
};
const TEXTS_AT_A_TIME = 2000;

export class Pane {
  // `tells` has click(pane, place, point) and line(pane, from, to).
  constructor(root, model, tells) {
    Object.assign(this, { root, model, tells, texts: [], rows: new Map(), plane: { plane: "principal", first: 0, second: 1 }, coloured: "" });
    this.build();
    this.map = new MapCanvas(one("canvas", root));
    this.hands = new Hands(this.map, {
      hover: (point, x, y) => this.hovered(point, x, y),
      click: (place, point) => tells.click(this, place, point),
      line: (from, to) => tells.line(this, from, to),
    });
    this.mark = latest((code) => this.marked(code));
  }

  build() {
    this.controls = element("div", { className: "controls" });
    this.canvas = element("canvas", { tabIndex: 0, role: "application" });
    this.canvas.setAttribute("aria-label", `Map of ${this.model.id}. Arrows move the cross, plus and minus zoom, Enter selects, D decodes the place even where a text is, L begins and ends a line, 0 shows all.`);
    this.tip = element("div", { className: "tip", hidden: true });
    this.tools = element("div", { className: "tools" });
    this.legend = element("div", { className: "legend" });
    this.note = element("p", { className: "note" });
    this.more = element("details", { className: "note" }, element("summary", {}, "How to read it"), element("p"));
    this.caption = element("p", { className: "caption", hidden: true });
    const stage = element("div", { className: "stage" }, this.canvas, this.tip, this.tools, this.caption);
    this.root.replaceChildren(this.controls, stage, this.legend, this.note, this.more);
    this.addTools();
  }

  addTools() {
    const line = button("Line", () => {
      this.hands.drawing = !this.hands.drawing;
      line.setAttribute("aria-pressed", String(this.hands.drawing));
      this.canvas.classList.toggle("drawing", this.hands.drawing);
    }, { title: "Drag a line between two places (or hold Shift)" });
    line.setAttribute("aria-pressed", "false");
    const named = (text, label, work) => button(text, work, { title: label, ariaLabel: label });
    this.tools.append(
      line, named("+", "Zoom in", () => this.hands.zoom(1.5)), named("−", "Zoom out", () => this.hands.zoom(1 / 1.5)),
      named("Reset", "Show the whole map", () => this.map.home()), named("PNG", "Save the map as a picture", () => this.save()),
    );
  }

  // Until a plane is there the one before is shown, and places mean what they mean in that.
  async load(plane = this.plane) {
    this.wanted = plane;
    const still = () => plane === this.wanted;
    const waiting = (why) => still() && this.told(`${this.model.id}: ${why}`);
    const [answer, points] = await Promise.all([this.model.map(plane, waiting, still), this.model.points(plane, waiting, still)]);
    if (!still()) throw new Superseded();
    Object.assign(this, { plane, answer });
    this.map.show(points, answer.density);
    this.canvas.dataset.points = answer.count;
    this.describe();
    this.told("");
    this.recolour();
  }

  told(text) {
    this.root.classList.toggle("waiting", Boolean(text));
    if (text) this.note.textContent = text;
    else this.note.textContent = `${this.answer.count.toLocaleString("en")} texts, ${this.answer.title}; to the right: ${this.answer.labels[0]}, upwards: ${this.answer.labels[1]}.`;
    this.more.lastChild.textContent = this.answer?.note ?? "";
  }

  describe() {
    const planes = this.answer.planes.map(({ kind, problem }) => [kind, problem ? `${PLANES[kind]} – ${problem}` : PLANES[kind], problem]);
    const size = this.model.description.latent_dim;
    const dimension = (name) => element("input", { type: "number", min: 1, max: size, value: this.plane[name] + 1, ariaLabel: `${name} dimension`, onchange: (event) => this.turn({ [name]: event.target.value - 1 }) });
    const columns = [["", "nothing"], ...this.answer.columns.map(({ name, title }) => [name, title])];
    this.controls.replaceChildren(
      ...(this.chooser ? [this.chooser] : []),
      field("Plane", select(planes, this.plane.plane, (plane) => this.turn({ plane }))),
      ...(this.plane.plane === "dimensions" ? [field("right", dimension("first")), field("up", dimension("second"))] : []),
      field("Colour by", select(columns, this.coloured, (name) => this.recolour(name))),
    );
  }

  async turn(change) {
    this.root.classList.add("waiting");
    await tell(async () => {
      try {
        await this.load({ ...this.wanted, ...change });
        this.tells.turned(this);
      } catch (error) {
        if (error instanceof Superseded) return;
        this.wanted = this.plane;
        this.describe();
        this.told("");
        throw error;
      }
    });
  }

  async readTexts() {
    while (this.texts.length < this.answer.count) {
      const { texts } = await this.model.texts(this.texts.length, TEXTS_AT_A_TIME);
      for (const text of texts) {
        if (!this.rows.has(text)) this.rows.set(text, this.texts.length);
        this.texts.push(text);
      }
    }
    this.canvas.dataset.texts = this.texts.length;
  }

  async recolour(name = this.coloured || this.answer.columns[0].name) {
    this.coloured = name;
    one("select:last-of-type", this.controls.lastElementChild).value = name;
    const asked = (this.asking = {});
    await tell(() => (name ? this.fetchColours(name, asked) : this.coat(PLAIN, "")));
  }

  // Values come in parts where they take long; the map is coloured as they come.
  async fetchColours(name, asked) {
    const { title } = this.answer.columns.find((column) => column.name === name);
    const values = new Array(this.answer.count).fill(null);
    for (let start = 0; start < values.length;) {
      const part = await this.model.column(name, start, values.length);
      if (this.asking !== asked) return;
      part.values.forEach((value, place) => (values[start + place] = value));
      start += part.values.length;
      const share = start < values.length ? ` – ${Math.round((100 * start) / values.length)} %` : "";
      if (!share || start % 1024 === 0) this.coat(scale(values, part.categories), title + share);
    }
  }

  coat(found, title) {
    this.map.colour(found);
    this.legend.replaceChildren(...legend(found, title, Boolean(this.answer.density), this.answer.density?.holes ?? [], (hole) => this.tells.click(this, [hole.x, hole.y], -1)));
  }

  hovered(point, x, y) {
    this.tip.hidden = point < 0;
    if (point < 0) return;
    this.tip.textContent = this.texts[point] ?? "…";
    const { width, height } = this.map.view;
    this.tip.classList.toggle("left", x > width / 2);
    this.tip.classList.toggle("above", y > height / 2);
    this.tip.style.setProperty("--x", `${x}px`);
    this.tip.style.setProperty("--y", `${y}px`);
  }

  // Where the panel of the sentence is far below the map, the text is shown on it too.
  entitle(text) {
    this.caption.hidden = !text;
    this.caption.textContent = text;
  }

  // Marks where codes are; the last is the one that is looked at.
  async marked(codes) {
    const places = await this.model.placesOf(this.plane, codes);
    this.map.set({ marks: places.map((place, number) => ({ place, small: number + 1 < places.length })) });
  }

  async trace(codes) {
    this.map.set({ path: codes.length ? await this.model.placesOf(this.plane, codes) : [] });
  }

  save() {
    this.canvas.toBlob((blob) => {
      const address = URL.createObjectURL(blob);
      element("a", { href: address, download: `map-${this.model.id}.png` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 1000);
      say("the map is saved as a picture");
    });
  }
}
