// Requests. Nothing but addresses of this server under /v1 is asked.

const KEY = "latentia-key";

export class Refusal extends Error {
  constructor(problem, status) {
    super(problem.detail || `the server answers ${status}`);
    this.status = status;
    this.remedy = problem.remedy || "";
  }
}

export const setKey = (key) => sessionStorage.setItem(KEY, key);

async function asked(path, body) {
  const headers = sessionStorage.getItem(KEY) ? { Authorization: `Bearer ${sessionStorage.getItem(KEY)}` } : {};
  const options = body ? { method: "POST", body: JSON.stringify(body), headers: { ...headers, "Content-Type": "application/json" } } : { headers };
  const response = await fetch(`/v1${path}`, options);
  if (response.ok) return response;
  throw new Refusal(await response.json().catch(() => ({})), response.status);
}

// What was asked for is no longer wanted.
export class Superseded extends Error {}

// What a server cannot answer yet is asked again while it is `wanted`; `waiting` is told why.
async function patiently(path, waiting, wanted) {
  for (;;) {
    if (!wanted()) throw new Superseded();
    try {
      return await asked(path);
    } catch (error) {
      if (error.status !== 503 || /stopping/.test(error.message)) throw error;
      waiting(error.message);
      await new Promise((done) => setTimeout(done, 400));
    }
  }
}

const json = async (response) => (await response).json();
const query = (values) => new URLSearchParams(values).toString();

export const models = async () => (await json(asked("/models"))).data;

export class Model {
  constructor(description) {
    this.description = description;
    this.id = description.id;
    this.path = `/models/${encodeURIComponent(description.id)}`;
  }

  map = (plane, ...waiting) => json(patiently(`${this.path}/map?${query(plane)}`, ...waiting));

  async points(plane, ...waiting) {
    const response = await patiently(`${this.path}/map/points?${query(plane)}`, ...waiting);
    return new Float32Array(await response.arrayBuffer());
  }

  texts = (start, count) => json(asked(`${this.path}/map/texts?${query({ start, count })}`));

  column = (name, start, count) => json(asked(`${this.path}/map/column?${query({ name, start, count })}`));

  codeAt = async (plane, x, y) => (await json(asked(`${this.path}/map/code?${query({ ...plane, x, y })}`))).code;

  placesOf = async (plane, codes) => (await json(asked(`${this.path}/map/places`, { codes, ...plane }))).places;

  nearest = async (code, n) => (await json(asked(`${this.path}/map/nearest`, { code, n }))).nearest;

  operation = (name, values) => json(asked(`${this.path}/${name}`, values));

  async decode(codes, strategy = "Greedy") {
    const { answers } = await this.operation("decode", { codes, strategy: { kind: strategy } });
    return answers.map((answer) => answer.text);
  }

  async encode(texts) {
    const { answers, refused } = await this.operation("encode", { data: texts });
    if (refused.length) throw new Refusal({ detail: `text ${refused[0].line} ${refused[0].problem}`, remedy: refused[0].remedy }, 422);
    return answers.map((answer) => answer.code);
  }
}
