// Answers the page's requests from files beside it. They are scripts: a page on a disk may load those, and nothing else.
"use strict";
(() => {
  const answers = new Map();
  const loading = new Map();
  let places = new Map();

  const keyOf = (route, query) => JSON.stringify([route, ...Object.entries(query).sort()]);

  // Called by data/*.js.
  window.lossdiagRuns = (names) => {
    places = new Map(names.map((name, place) => [name, place]));
  };
  window.lossdiagAnswers = (entries) => {
    for (const [route, query, type, body] of entries) answers.set(keyOf(route, query), { type, body });
  };

  const load = (file) => {
    if (!loading.has(file)) {
      const done = new Promise((resolve) => {
        const script = document.createElement("script");
        script.src = `data/${file}.js`;
        script.onload = resolve;
        script.onerror = resolve;
        document.head.append(script);
      });
      loading.set(file, done);
    }
    return loading.get(file);
  };

  const fileOf = (route, query) => {
    if (route === "runs" || route === "rules") return null;
    if (route === "compare") return `compare${places.get(query.a)}`;
    if (route === "table") return `tables${places.get(query.run)}`;
    return query.run === undefined ? "reports" : `run${places.get(query.run)}`;
  };

  const wanted = {
    runs: ["lang"],
    rules: ["lang"],
    diagnosis: ["run", "lang"],
    compare: ["a", "b", "lang"],
    report: ["run", "format", "lang"],
    table: ["run", "quantity", "planes"],
  };

  const questionOf = (address) => {
    const [route, search = ""] = String(address).split("?");
    const asked = new URLSearchParams(search);
    const query = {};
    for (const name of wanted[route] ?? []) if (asked.has(name)) query[name] = asked.get(name);
    if (route === "table" && !query.planes) query.planes = "full";
    return { route, query, asked };
  };

  const bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

  // Some columns of a table: its header names the arrays, those with a row per column are cut.
  const cut = (bytes, chosen) => {
    const size = new DataView(bytes.buffer).getUint32(8, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(12, 12 + size)));
    const count = header.columns.length;
    const parts = [];
    let offset = 0;
    const arrays = header.arrays.map((entry) => {
      const width = Number(entry.dtype.slice(1));
      const whole = entry.shape.reduce((product, length) => product * length, width);
      const perColumn = !/_step$/.test(entry.name) || entry.name === "peak_step";
      const data = bytes.subarray(12 + size + entry.offset, 12 + size + entry.offset + whole);
      const row = whole / count;
      const rows = perColumn ? chosen.map((at) => data.subarray(at * row, (at + 1) * row)) : [data];
      const kept = { ...entry, offset, shape: perColumn ? [chosen.length, ...entry.shape.slice(1)] : entry.shape };
      for (const each of rows) parts.push(each);
      const length = rows.reduce((sum, each) => sum + each.length, 0);
      const filler = (8 - (length % 8)) % 8;
      parts.push(new Uint8Array(filler));
      offset += length + filler;
      return kept;
    });
    const columns = chosen.map((at) => header.columns[at]);
    let text = JSON.stringify({ ...header, columns, arrays });
    text += " ".repeat((8 - ((12 + new TextEncoder().encode(text).length) % 8)) % 8);
    const told = new TextEncoder().encode(text);
    const head = new Uint8Array(12);
    head.set(bytes.subarray(0, 8));
    new DataView(head.buffer).setUint32(8, told.length, true);
    return new Blob([head, told, ...parts]);
  };

  const bodyOf = ({ type, body }, asked) => {
    if (type !== "application/octet-stream") return body;
    const bytes = bytesOf(body);
    const columns = asked.get("columns");
    return columns ? cut(bytes, columns.split(",").map(Number)) : bytes;
  };

  const answer = async (address) => {
    const { route, query, asked } = questionOf(address);
    const file = fileOf(route, query);
    if (file !== null) await load(file);
    const found = answers.get(keyOf(route, query));
    if (!found) return new Response("This is not part of the exported page.", { status: 404 });
    if (route === "runs" && asked.get("have") === JSON.parse(found.body).state) {
      return new Response(null, { status: 204 });
    }
    return new Response(bodyOf(found, asked), { headers: { "Content-Type": found.type } });
  };

  window.fetch = (address) => answer(address);

  // A rule's page is on the documentation site.
  document.addEventListener(
    "click",
    (event) => {
      const link = event.target instanceof Element ? event.target.closest('a[href^="manual?"]') : null;
      if (!link) return;
      const asked = new URLSearchParams(link.getAttribute("href").slice("manual?".length));
      link.href = `https://tb-lossdiag.github.io/tb-lossdiag/${asked.get("lang")}/rules/${asked.get("page")}.html`;
    },
    { capture: true },
  );

  // Links to files are answered in the same way.
  document.addEventListener("click", async (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[download]") : null;
    const address = link?.getAttribute("href") ?? "";
    if (!address.startsWith("report?")) return;
    event.preventDefault();
    const blob = await (await answer(address)).blob();
    const save = document.createElement("a");
    save.href = URL.createObjectURL(blob);
    save.download = link.getAttribute("download");
    save.click();
    setTimeout(() => URL.revokeObjectURL(save.href), 1000);
  });
})();
