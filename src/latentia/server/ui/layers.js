// What a map is painted of: shade and contours of densities, points, and marks over them.

import { contour } from "./contours.js";

const DOT = 14;

export function shadeOf(density, colour) {
  const side = Math.sqrt(density.shade.length);
  const canvas = new OffscreenCanvas(side, side);
  const context = canvas.getContext("2d");
  const image = context.createImageData(side, side);
  const [red, green, blue] = [1, 3, 5].map((place) => parseInt(colour.slice(place, place + 2), 16));
  density.shade.forEach((shade, cell) => {
    const place = 4 * ((side - 1 - Math.floor(cell / side)) * side + (cell % side));
    image.data.set([red, green, blue, Math.round(0.8 * shade)], place);
  });
  context.putImageData(image, 0, 0);
  return canvas;
}

export function contoursOf(density) {
  const side = Math.sqrt(density.prior.length);
  return density.levels.map((level) => contour(density.prior, side, level));
}

export function paintDensity(context, view, density, shade, contours, colours) {
  const half = density.reach * (1 + 1 / (Math.sqrt(density.shade.length) - 1));
  const [left, top] = view.toScreen(-half, half);
  const size = 2 * half * view.scale;
  context.imageSmoothingEnabled = true;
  context.drawImage(shade, left, top, size, size);
  context.strokeStyle = colours.soft;
  contours.forEach((segments, number) => {
    context.lineWidth = 1.6 - 0.4 * number;
    context.beginPath();
    for (const [x0, y0, x1, y1] of segments) {
      context.moveTo(...view.toScreen(x0 * density.reach, y0 * density.reach));
      context.lineTo(...view.toScreen(x1 * density.reach, y1 * density.reach));
    }
    context.stroke();
  });
}

function dot(colour, radius, ratio) {
  const canvas = new OffscreenCanvas(DOT * ratio, DOT * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.fillStyle = colour;
  context.beginPath();
  context.arc(DOT / 2, DOT / 2, radius, 0, 2 * Math.PI);
  context.fill();
  return canvas;
}

// Points keep their random order, so that no colour hides the others.
export function paintPoints(context, view, points, scale, colours, ratio) {
  const count = points.length / 2;
  const radius = Math.min(4, Math.max(1.3, 60 / Math.sqrt(count) + 0.35 * Math.log2(view.scale / view.least)));
  const palette = scale.numbers ? (scale.ramped ? colours.ramp : colours.series) : [colours.series[0]];
  const dots = palette.map((colour) => dot(colour, radius, ratio));
  const other = dot(colours.quiet, radius, ratio);
  context.globalAlpha = count > 3000 ? 0.6 : 0.8;
  for (let i = 0; i < count; i++) {
    const x = view.x0 + points[2 * i] * view.scale;
    const y = view.y0 - points[2 * i + 1] * view.scale;
    if (x < -DOT || y < -DOT || x > view.width + DOT || y > view.height + DOT) continue;
    const sprite = scale.numbers ? dots[scale.numbers[i]] || other : dots[0];
    context.drawImage(sprite, x - DOT / 2, y - DOT / 2, DOT, DOT);
  }
  context.globalAlpha = 1;
}

export function paintHoles(context, view, holes, colours) {
  context.font = "600 12px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const hole of holes) {
    const [x, y] = view.toScreen(hole.x, hole.y);
    disc(context, x, y, 9, colours.hole, colours.paper);
    context.fillStyle = colours.paper;
    context.fillText(String(hole.number), x, y + 0.5);
  }
}

export function disc(context, x, y, radius, fill, edge) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = fill;
  context.fill();
  context.lineWidth = 2;
  context.strokeStyle = edge;
  context.stroke();
}

export function paintPath(context, view, path, colours) {
  context.lineWidth = 2;
  context.strokeStyle = colours.ink;
  context.beginPath();
  path.forEach(([x, y], number) => (number ? context.lineTo(...view.toScreen(x, y)) : context.moveTo(...view.toScreen(x, y))));
  context.stroke();
  for (const [x, y] of path) disc(context, ...view.toScreen(x, y), 4, colours.paper, colours.ink);
}

export function paintCross(context, x, y, colour) {
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.beginPath();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    context.moveTo(x + 4 * dx, y + 4 * dy);
    context.lineTo(x + 13 * dx, y + 13 * dy);
  }
  context.stroke();
}
