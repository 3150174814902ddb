// Finds the point nearest to a place by looking into the cells around it.

const PER_CELL = 4;

export class Grid {
  constructor(points) {
    this.points = points;
    const count = points.length / 2;
    this.side = Math.max(1, Math.ceil(Math.sqrt(count / PER_CELL)));
    this.bounds = bounds(points);
    const [left, bottom, right, top] = this.bounds;
    this.width = Math.max((right - left) / this.side, 1e-9);
    this.height = Math.max((top - bottom) / this.side, 1e-9);
    this.sort(count);
  }

  cell(x, y) {
    const clamp = (value) => Math.min(this.side - 1, Math.max(0, value));
    return [clamp(Math.floor((x - this.bounds[0]) / this.width)), clamp(Math.floor((y - this.bounds[1]) / this.height))];
  }

  // Counting sort: the points of cell c are order[starts[c] .. starts[c + 1]].
  sort(count) {
    const cells = new Uint32Array(count);
    this.starts = new Uint32Array(this.side * this.side + 1);
    for (let i = 0; i < count; i++) {
      const [column, row] = this.cell(this.points[2 * i], this.points[2 * i + 1]);
      cells[i] = row * this.side + column;
      this.starts[cells[i] + 1]++;
    }
    for (let c = 0; c < this.side * this.side; c++) this.starts[c + 1] += this.starts[c];
    const next = this.starts.slice();
    this.order = new Uint32Array(count);
    for (let i = 0; i < count; i++) this.order[next[cells[i]]++] = i;
  }

  // Number of the nearest point within a distance, or -1.
  nearest(x, y, within) {
    const [left, bottom] = this.cell(x - within, y - within);
    const [right, top] = this.cell(x + within, y + within);
    let best = -1;
    let least = within * within;
    for (let row = bottom; row <= top; row++) {
      const end = this.starts[row * this.side + right + 1];
      for (let k = this.starts[row * this.side + left]; k < end; k++) {
        const i = this.order[k];
        const square = (this.points[2 * i] - x) ** 2 + (this.points[2 * i + 1] - y) ** 2;
        if (square <= least) [best, least] = [i, square];
      }
    }
    return best;
  }
}

function bounds(points) {
  const found = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < points.length; i += 2) {
    found[0] = Math.min(found[0], points[i]);
    found[1] = Math.min(found[1], points[i + 1]);
    found[2] = Math.max(found[2], points[i]);
    found[3] = Math.max(found[3], points[i + 1]);
  }
  return found;
}
