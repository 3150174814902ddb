// A map on a canvas: a layer of densities and points that is painted at rest and moved with the hand, marks above it.

import { PLAIN, theme } from "./colours.js";
import { Grid } from "./grid.js";
import { contoursOf, disc, paintCross, paintDensity, paintHoles, paintPath, paintPoints, shadeOf } from "./layers.js";
import { View } from "./view.js";

const REST = 90;
const QUICK = 14;
const REACH = 5;

export class MapCanvas {
  constructor(canvas) {
    // Whoever drives the page asks here where a point is on the screen.
    canvas.map = this;
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.layer = new OffscreenCanvas(1, 1);
    this.view = new View();
    this.points = new Float32Array();
    this.grid = new Grid(this.points);
    Object.assign(this, { density: null, scale: PLAIN, spent: 0, ratio: 1, cursor: null, hover: -1, marks: [], path: [], found: [] });
    this.retheme();
    new ResizeObserver(() => this.resized()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.retheme());
  }

  retheme() {
    this.colours = theme();
    this.shade = this.density && shadeOf(this.density, this.colours.hole);
    this.paint();
  }

  resized() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    this.ratio = Math.min(2, devicePixelRatio || 1);
    for (const each of [this.canvas, this.layer]) Object.assign(each, { width: Math.round(width * this.ratio), height: Math.round(height * this.ratio) });
    this.view.resize(width, height);
    // At once: a canvas of a new size is empty, and is shown before the next frame.
    this.paintNow();
  }

  show(points, density) {
    Object.assign(this, { points, density, grid: new Grid(points), marks: [], path: [], found: [], hover: -1, cursor: null });
    this.shade = density && shadeOf(density, this.colours.hole);
    this.contours = density ? contoursOf(density) : [];
    this.home();
  }

  // Shows all points, and the prior where it is known.
  home() {
    const [left, bottom, right, top] = this.grid.bounds;
    const outermost = Math.max(...[left, bottom, right, top].map(Math.abs).filter(Number.isFinite), 0.1);
    this.view.fit(1.05 * (this.density ? Math.min(this.density.reach, Math.max(outermost, 0.8 * this.density.reach)) : outermost));
    this.paint();
  }

  colour(scale) {
    this.scale = scale;
    this.paint();
  }

  paint() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.resting);
    this.frame = requestAnimationFrame(() => this.paintNow());
  }

  paintNow() {
    this.paintLayer();
    this.compose();
  }

  paintLayer() {
    const began = performance.now();
    const context = this.layer.getContext("2d", { willReadFrequently: true });
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.fillStyle = this.colours.paper;
    context.fillRect(0, 0, this.view.width, this.view.height);
    if (this.density) paintDensity(context, this.view, this.density, this.shade, this.contours, this.colours);
    paintPoints(context, this.view, this.points, this.scale, this.colours, this.ratio);
    if (this.density) paintHoles(context, this.view, this.density.holes, this.colours);
    this.painted = this.view.state;
    this.spent = performance.now() - began;
  }

  // While the map moves, the layer is moved; it is painted again at rest, or at once where that is quick.
  moved() {
    if (this.spent < QUICK) {
      this.paint();
      return;
    }
    this.touch();
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.paint(), REST);
  }

  touch() {
    cancelAnimationFrame(this.overlay);
    this.overlay = requestAnimationFrame(() => this.compose());
  }

  compose() {
    if (!this.painted) return;
    const { context, view, painted } = this;
    const factor = view.scale / painted.scale;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.fillStyle = this.colours.paper;
    context.fillRect(0, 0, view.width, view.height);
    const size = [view.width * factor, view.height * factor];
    context.drawImage(this.layer, view.x0 - painted.x0 * factor, view.y0 - painted.y0 * factor, ...size);
    this.paintMarks();
  }

  paintMarks() {
    const { context, view, colours } = this;
    for (const point of this.found) disc(context, ...view.toScreen(...this.place(point)), 5, "transparent", colours.ink);
    if (this.path.length) paintPath(context, view, this.path, colours);
    for (const mark of this.marks) {
      const [x, y] = view.toScreen(...mark.place);
      disc(context, x, y, mark.small ? 5 : 7, mark.small ? colours.paper : colours.mark, colours.ink);
    }
    if (this.hover >= 0) disc(context, ...view.toScreen(...this.place(this.hover)), 6, "transparent", colours.ink);
    if (this.cursor) paintCross(context, ...view.toScreen(...this.cursor), colours.ink);
  }

  place(point) {
    return [this.points[2 * point], this.points[2 * point + 1]];
  }

  // Number of the point under a pixel, or -1.
  at(x, y, within = REACH) {
    return this.grid.nearest(...this.view.toPlane(x, y), within / this.view.scale);
  }

  set(values) {
    Object.assign(this, values);
    this.touch();
  }
}
