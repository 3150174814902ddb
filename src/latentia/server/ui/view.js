// Where a plane lies on the screen: scale in pixels a unit, and the pixel of its origin.

const NEAREST_ZOOM = 400;

export class View {
  constructor() {
    Object.assign(this, { width: 1, height: 1, scale: 1, x0: 0, y0: 0, least: 1, reach: 4 });
  }

  // Shows a square of half width `reach` about a middle.
  fit(reach, [x, y] = [0, 0]) {
    this.reach = reach;
    this.least = Math.min(this.width, this.height) / (2 * reach);
    this.scale = this.least;
    this.x0 = this.width / 2 - x * this.scale;
    this.y0 = this.height / 2 + y * this.scale;
  }

  resize(width, height) {
    const middle = this.toPlane(this.width / 2, this.height / 2);
    const zoom = this.scale / this.least;
    Object.assign(this, { width, height });
    this.fit(this.reach);
    this.scale *= zoom;
    this.x0 = width / 2 - middle[0] * this.scale;
    this.y0 = height / 2 + middle[1] * this.scale;
  }

  toScreen = (x, y) => [this.x0 + x * this.scale, this.y0 - y * this.scale];

  toPlane = (x, y) => [(x - this.x0) / this.scale, (this.y0 - y) / this.scale];

  move(dx, dy) {
    this.x0 += dx;
    this.y0 += dy;
  }

  zoom(factor, x, y) {
    const scale = Math.min(NEAREST_ZOOM * this.least, Math.max(0.4 * this.least, this.scale * factor));
    this.x0 = x + (this.x0 - x) * (scale / this.scale);
    this.y0 = y + (this.y0 - y) * (scale / this.scale);
    this.scale = scale;
  }

  get state() {
    return { scale: this.scale, x0: this.x0, y0: this.y0 };
  }
}
