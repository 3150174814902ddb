// Elements. Whatever comes from a model or a file is put in as text, never as markup.

export const one = (selector, root = document) => root.querySelector(selector);

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const button = (text, onclick, attributes = {}) => element("button", { type: "button", onclick, ...attributes }, text);

export function field(label, input, attributes = {}) {
  return element("label", { className: "field", ...attributes }, element("span", {}, label), input);
}

export function select(choices, value, onchange, attributes = {}) {
  const options = choices.map(([name, text, disabled]) =>
    element("option", { value: name, selected: name === value, disabled: Boolean(disabled) }, text),
  );
  return element("select", { onchange: (event) => onchange(event.target.value), ...attributes }, ...options);
}

export function say(text, wrong = false) {
  const status = one("#status");
  status.textContent = text;
  status.classList.toggle("wrong", wrong);
}

// Runs what a control asks for, and tells what went wrong.
export async function tell(work) {
  try {
    return await work();
  } catch (error) {
    say(error.remedy ? `${error.message}; ${error.remedy}` : error.message, true);
    return undefined;
  }
}

// Of calls that come faster than they are answered, the last one is kept.
export function latest(work) {
  let waiting = null;
  let busy = false;
  return async (...given) => {
    waiting = given;
    if (busy) return;
    busy = true;
    while (waiting) {
      const now = waiting;
      waiting = null;
      await tell(() => work(...now));
    }
    busy = false;
  };
}
