// Colours of points as red, green and blue, from the variables of the style sheet, so that they suit light and dark paper.

const STEPS = 24;

export function theme() {
  const style = getComputedStyle(document.documentElement);
  const named = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    paper: named("paper"), ink: named("ink"), soft: named("soft"), quiet: named("quiet"), hole: named("hole"), mark: named("mark"),
    series: Array.from({ length: 8 }, (_, number) => parts(named(`series-${number}`))),
    unknown: parts(named("quiet")),
    ramp: ramp(["ramp-low", "ramp-middle", "ramp-high"].map(named)),
  };
}

const parts = (hex) => [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16));

function ramp([low, middle, high]) {
  const stops = [low, middle, high].map(parts);
  return Array.from({ length: STEPS }, (_, step) => {
    const along = (2 * step) / (STEPS - 1);
    const [from, to] = along < 1 ? [stops[0], stops[1]] : [stops[1], stops[2]];
    return from.map((part, place) => Math.round(part + (to[place] - part) * (along - (along >= 1 ? 1 : 0))));
  });
}

// Numbers of colours for values, what each colour means, and whether colours are steps of a ramp.
export function scale(values, categories) {
  if (categories.length) return { numbers: Uint8Array.from(values, (value) => value % 8), categories, ramped: false };
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  const low = sorted[Math.floor(0.02 * sorted.length)] ?? 0;
  const high = sorted[Math.ceil(0.98 * (sorted.length - 1))] ?? 1;
  const step = (value) => Math.round(((value - low) / (high - low || 1)) * (STEPS - 1));
  const numbers = Uint8Array.from(values, (value) => (value === null ? 255 : Math.min(STEPS - 1, Math.max(0, step(value)))));
  return { numbers, low, high, ramped: true, categories: [] };
}

export const PLAIN = { numbers: null, categories: [], ramped: false };
