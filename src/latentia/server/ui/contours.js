// Lines of equal height over a grid of square cells, by marching squares.

// Crossed sides of a cell by which of its corners are high: 0 bottom, 1 right, 2 top, 3 left.
const CROSSED = [[], [[3, 0]], [[0, 1]], [[3, 1]], [[1, 2]], [[3, 2], [0, 1]], [[0, 2]], [[3, 2]], [[2, 3]], [[2, 0]], [[3, 0], [1, 2]], [[2, 1]], [[1, 3]], [[1, 0]], [[0, 3]], []];

// Segments [x0, y0, x1, y1] in units of the grid's reach from its middle.
export function contour(heights, side, level) {
  const segments = [];
  for (let row = 0; row + 1 < side; row++) {
    for (let column = 0; column + 1 < side; column++) {
      const corner = row * side + column;
      const four = [heights[corner], heights[corner + 1], heights[corner + side + 1], heights[corner + side]];
      const high = four.reduce((bits, height, place) => bits | (height >= level ? 1 << place : 0), 0);
      for (const [from, to] of CROSSED[high]) {
        segments.push([...crossing(from, four, level, column, row), ...crossing(to, four, level, column, row)]);
      }
    }
  }
  const scale = 2 / (side - 1);
  return segments.map((segment) => segment.map((value) => value * scale - 1));
}

function crossing(edge, four, level, column, row) {
  const [from, to] = [[0, 1], [1, 2], [3, 2], [0, 3]][edge];
  const share = (level - four[from]) / (four[to] - four[from] || 1);
  return [[column + share, row], [column + 1, row + share], [column + share, row + 1], [column, row + share]][edge];
}
