// What is looked at, on which map; panels hear of it.

import { say, tell } from "./dom.js";

export class Session extends EventTarget {
  constructor() {
    super();
    Object.assign(this, { panes: [], current: null, path: null, pins: [], lists: { A: [], B: [] }, made: [], strategy: "Greedy" });
  }

  tellAll(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  get pane() {
    return this.current?.pane ?? this.panes[0];
  }

  // A place of a map: the text that is there, or what the code of the place decodes to.
  async at(pane, place, point) {
    if (point >= 0) return this.text(pane, pane.texts[point] ?? (await pane.model.texts(point, 1)).texts[0]);
    const began = performance.now();
    const code = await pane.model.codeAt(pane.plane, ...place);
    return this.code(pane, code, "place", began);
  }

  async text(pane, text) {
    const [code] = await pane.model.encode([text]);
    const [again] = await pane.model.decode([code], this.strategy);
    await this.choose({ pane, code, text, again, origin: "text" });
    say("");
  }

  async code(pane, code, origin, began = performance.now()) {
    const [text] = await pane.model.decode([code], this.strategy);
    await this.choose({ pane, code, text, origin, milliseconds: performance.now() - began });
    this.keep(origin, pane, { text, code });
    say(`decoded in ${Math.round(performance.now() - began)} ms`);
  }

  async choose(chosen) {
    this.choice = {};
    this.current = chosen;
    this.tellAll("chosen", chosen);
    chosen.pane.entitle(chosen.text);
    chosen.pane.mark([chosen.code]);
    await this.link(chosen);
  }

  // The same sentence in the other run.
  async link({ pane, text }) {
    const others = this.panes.filter((other) => other !== pane);
    for (const other of others) {
      await tell(async () => {
        const [code] = await other.model.encode([text]);
        const [again] = await other.model.decode([code], this.strategy);
        other.mark([code]);
        this.tellAll("linked", { pane: other, text: again });
        other.entitle(again);
      });
    }
  }

  async moved(code) {
    const { choice } = this;
    const { pane } = this.current;
    const [text] = await pane.model.decode([code], this.strategy);
    if (choice !== this.choice) return; // another sentence was chosen meanwhile
    this.current = { ...this.current, code, text, origin: "sliders" };
    this.tellAll("moved", this.current);
    pane.entitle(text);
    pane.mark([code]);
  }

  keep(kind, pane, values) {
    this.made.push({ kind, model: pane.model.id, ...values });
    this.tellAll("made");
  }

  pin(text) {
    if (text && !this.pins.includes(text)) this.pins.push(text);
    this.tellAll("pinned");
  }

  list(name, text) {
    if (text && !this.lists[name].includes(text)) this.lists[name].push(text);
    this.tellAll("pinned");
  }
}
