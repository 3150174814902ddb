// What a map is painted of: shade and contours of densities, points, and marks over them.

import { contour } from "./contours.js";

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

// How much of each pixel a dot covers.
function dotOf(radius, alpha) {
  const reach = Math.ceil(radius + 0.5);
  const side = 2 * reach + 1;
  const cover = new Float32Array(side * side);
  for (let cell = 0; cell < cover.length; cell++) {
    const away = Math.hypot((cell % side) - reach, Math.floor(cell / side) - reach);
    cover[cell] = alpha * Math.min(1, Math.max(0, radius + 0.5 - away));
  }
  return { reach, side, cover };
}

function blend(image, x, y, dot, [red, green, blue]) {
  const { data, width } = image;
  for (let cell = 0; cell < dot.cover.length; cell++) {
    const share = dot.cover[cell];
    const column = x + (cell % dot.side) - dot.reach;
    if (!share || column < 0 || column >= width) continue;
    const place = 4 * ((y + Math.floor(cell / dot.side) - dot.reach) * width + column);
    if (place < 0 || place >= data.length) continue;
    data[place] += share * (red - data[place]);
    data[place + 1] += share * (green - data[place + 1]);
    data[place + 2] += share * (blue - data[place + 2]);
  }
}

// Points are blended into the pixels by hand, which is many times as fast as to ask a canvas for each without a graphics
// card. They keep their random order, so that no colour hides the others.
export function paintPoints(context, view, points, scale, colours, ratio) {
  const { width, height } = context.canvas;
  if (!points.length || !width || !height) return;
  const image = context.getImageData(0, 0, width, height);
  const count = points.length / 2;
  const radius = Math.min(4, Math.max(1.3, 60 / Math.sqrt(count) + 0.35 * Math.log2(view.scale / view.least)));
  const dot = dotOf(ratio * radius, count > 3000 ? 0.6 : 0.85);
  const palette = scale.numbers && scale.ramped ? colours.ramp : colours.series;
  for (let i = 0; i < count; i++) {
    const x = Math.round(ratio * (view.x0 + points[2 * i] * view.scale));
    const y = Math.round(ratio * (view.y0 - points[2 * i + 1] * view.scale));
    if (x < -dot.side || y < -dot.side || x > width + dot.side || y > height + dot.side) continue;
    blend(image, x, y, dot, (scale.numbers ? palette[scale.numbers[i]] : palette[0]) || colours.unknown);
  }
  context.putImageData(image, 0, 0);
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
