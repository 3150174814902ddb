"use strict";
// Draws the panels in the colours of the paper that the reader has, and again when that changes.
(() => {
  const themes = JSON.parse(document.getElementById("themes").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  // "@2" is a colour of the theme, "@2/0.4" the same at an opacity.
  const paint = (name, theme) => {
    const [, key, opacity] = /^@([^/]+)(?:\/(.+))?$/.exec(name) || [];
    if (!(key in theme)) return name;
    if (opacity === undefined) return theme[key];
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(theme[key].slice(at, at + 2), 16));
    return `rgba(${red}, ${green}, ${blue}, ${opacity})`;
  };

  // Only what stands under a key about colours is one: texts may look like anything.
  const painted = (value, theme, isColour) => {
    if (typeof value === "string") return isColour ? paint(value, theme) : value;
    if (Array.isArray(value)) return value.map((each) => painted(each, theme, isColour));
    if (value === null || typeof value !== "object") return value;
    const entries = Object.entries(value);
    return Object.fromEntries(entries.map(([key, each]) => [key, painted(each, theme, /color/.test(key))]));
  };

  // The library's own choice has a button that sends the data to its makers.
  const buttons = [["toImage", "zoom2d", "pan2d", "resetScale2d"]];
  const settings = { responsive: true, displaylogo: false, modeBarButtons: buttons, plotlyServerURL: "" };

  const panels = [...document.querySelectorAll(".panel")].map((panel) => {
    const figure = JSON.parse(panel.firstElementChild.textContent);
    panel.replaceChildren();
    return [panel, figure];
  });
  const draw = () => {
    const theme = themes[dark.matches ? "dark" : "light"];
    for (const [panel, figure] of panels) {
      const { data, layout } = painted(figure, theme, false);
      Plotly.react(panel, data, layout, settings);
    }
  };
  document.documentElement.classList.add("scripted");
  draw();
  dark.addEventListener("change", draw);
})();
