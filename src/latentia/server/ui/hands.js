// Mouse, fingers and keys on a map: move, zoom, point, click, draw a line.

const STILL = 5;
const STEP = 20;
const FINGER = 14;

// `tells` has hover(point, x, y), click(place, point) and line(from, to), whose ends are {place, point}.
export class Hands {
  constructor(map, tells) {
    Object.assign(this, { map, tells, drawing: false, fingers: new Map(), begun: null });
    const { canvas } = map;
    const on = (name, work) => canvas.addEventListener(name, work, { passive: false });
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.up(event));
    on("pointercancel", (event) => this.leave(event));
    on("pointerleave", () => this.tells.hover(-1, 0, 0));
    on("wheel", (event) => this.wheel(event));
    on("keydown", (event) => this.key(event));
    on("blur", () => map.set({ cursor: null }));
  }

  where(event) {
    const box = this.map.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  end(x, y, touch = false) {
    const point = this.map.at(x, y, touch ? FINGER : undefined);
    return { point, place: point >= 0 ? this.map.place(point) : this.map.view.toPlane(x, y) };
  }

  down(event) {
    if (event.button > 0) return;
    this.map.canvas.setPointerCapture(event.pointerId);
    const at = this.where(event);
    this.fingers.set(event.pointerId, at);
    const draws = this.drawing || event.shiftKey;
    this.begun = { at, draws, far: false, from: draws ? this.end(...at) : null };
  }

  move(event) {
    const at = this.where(event);
    const before = this.fingers.get(event.pointerId);
    if (!before) return this.point(at);
    if (this.fingers.size === 2) this.pinch(event.pointerId, before, at);
    else if (this.begun) this.drag(before, at);
    this.fingers.set(event.pointerId, at);
    return undefined;
  }

  point(at) {
    const hover = this.map.at(...at);
    if (hover !== this.map.hover) this.map.set({ hover });
    this.tells.hover(hover, ...at);
  }

  drag(before, at) {
    this.begun.far ||= Math.hypot(at[0] - this.begun.at[0], at[1] - this.begun.at[1]) > STILL;
    if (!this.begun.far) return;
    if (this.begun.draws) {
      this.map.set({ path: [this.begun.from.place, this.end(...at).place] });
    } else {
      this.map.view.move(at[0] - before[0], at[1] - before[1]);
      this.map.moved();
    }
  }

  pinch(moving, before, at) {
    const [other] = [...this.fingers].filter(([id]) => id !== moving).map(([, place]) => place);
    const apart = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]) || 1;
    this.map.view.zoom(apart(at) / apart(before), (at[0] + other[0]) / 2, (at[1] + other[1]) / 2);
    this.begun = null;
    this.map.moved();
  }

  up(event) {
    const at = this.where(event);
    this.fingers.delete(event.pointerId);
    if (!this.begun) return;
    const { far, draws, from } = this.begun;
    const touch = event.pointerType === "touch";
    this.begun = null;
    if (far && draws) this.tells.line(from, this.end(...at, touch));
    else if (!far && event.altKey) this.tells.click(this.map.view.toPlane(...at), -1);
    else if (!far) this.click(...at, touch);
  }

  leave(event) {
    this.fingers.delete(event.pointerId);
    this.begun = null;
  }

  click(x, y, touch = false) {
    const { place, point } = this.end(x, y, touch);
    this.tells.click(place, point);
  }

  wheel(event) {
    event.preventDefault();
    this.zoom(Math.exp(-0.0015 * event.deltaY * (event.deltaMode ? 30 : 1)), ...this.where(event));
  }

  zoom(factor, x = this.map.view.width / 2, y = this.map.view.height / 2) {
    this.map.view.zoom(factor, x, y);
    this.map.moved();
  }

  key(event) {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const others = { "+": () => this.zoomAtCursor(1.4), "=": () => this.zoomAtCursor(1.4), "-": () => this.zoomAtCursor(1 / 1.4), Enter: () => this.click(...this.cross()), 0: () => this.map.home(), l: () => this.lineByKeys(), d: () => this.tells.click(this.map.view.toPlane(...this.cross()), -1) };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in arrows) this.step(arrows[event.key], event.shiftKey);
    else if (event.key in others) others[event.key]();
    else return;
    event.preventDefault();
  }

  // Pixel of the cross that keys move.
  cross() {
    const { view, cursor } = this.map;
    return cursor ? view.toScreen(...cursor) : [view.width / 2, view.height / 2];
  }

  step([dx, dy], pan) {
    if (pan) {
      this.map.view.move(-3 * STEP * dx, -3 * STEP * dy);
      this.map.moved();
      return;
    }
    const [x, y] = this.map.cursor ? this.cross() : [this.map.view.width / 2 - STEP * dx, this.map.view.height / 2 - STEP * dy];
    const at = [x + STEP * dx, y + STEP * dy];
    this.map.set({ cursor: this.map.view.toPlane(...at), hover: this.map.at(...at) });
    this.tells.hover(this.map.hover, ...at);
  }

  zoomAtCursor(factor) {
    this.zoom(factor, ...this.cross());
  }

  lineByKeys() {
    const end = this.end(...this.cross());
    if (this.start) {
      const from = this.start;
      this.start = null;
      this.tells.line(from, end);
    } else {
      this.start = end;
      this.map.set({ path: [end.place] });
    }
  }
}
