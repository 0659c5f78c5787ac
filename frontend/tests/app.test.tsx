import { cleanup, fireEvent, render, screen } from "@testing-library/preact";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { RunDiagnosis, Runs } from "../src/data/types";
import { App } from "../src/shell/App";
import { useChosenRun } from "../src/shell/useRuns";
import { makeDiagnosis, makeFinding, makeRun, makeRuns, packed } from "./make";

const HOSTILE = "<img src=x onerror=alert(1)>";

// happy-dom has no canvas; what is drawn is covered by the tests of the options and of the painter.
vi.mock("../src/charts/Chart", () => ({
  Chart: ({ label }: { label: string }) => <div role="img" aria-label={label} />,
}));

interface Answers {
  runs: Runs | number;
  diagnosis?: RunDiagnosis | number;
}

function serve(answers: Answers): void {
  const bodies: Record<string, unknown> = {
    runs: typeof answers.runs === "number" ? answers.runs : packed(answers.runs),
    diagnosis:
      typeof answers.diagnosis === "number"
        ? answers.diagnosis
        : { version: 1, runs: [answers.diagnosis ?? makeDiagnosis()] },
    rules: { version: 1, rules: [] },
  };
  vi.stubGlobal("fetch", async (address: string) => {
    const body = bodies[address.split("?")[0] ?? ""];
    if (typeof body === "number") return new Response("The files are being read.", { status: body });
    return new Response(JSON.stringify(body), { status: body === undefined ? 404 : 200 });
  });
}

beforeEach(() => {
  window.location.hash = "#lossdiag&p.lossdiag.lang=en";
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

test("an empty folder shows how to record, and which runs have nothing", async () => {
  serve({ runs: makeRuns({ runs: [], without_data: ["old/run"] }) });
  const { container } = render(<App />);
  await screen.findByText("No Loss Doctor data yet");
  const lines = container.querySelector("pre")?.textContent?.split("\n") ?? [];
  expect(lines.map((line) => /[\w.]+(?=\()/.exec(line)?.[0])).toEqual([
    undefined,
    ...["SummaryWriter", "writer.watch", "writer.add_diagnostics"],
  ]);
  expect(screen.getByText("old/run")).toBeTruthy();
});

test("without a link the run that is worst at first is shown, and stays when another becomes worse", () => {
  const [fine, bad] = [
    makeRun({ run: "a/fine", status: "healthy" }),
    makeRun({ run: "b/bad", status: "warning" }),
  ];
  const Chosen = ({ runs, name }: { runs: Runs | undefined; name?: string }) => (
    <p>{useChosenRun(runs, name)?.run ?? "none"}</p>
  );
  const { container, rerender } = render(<Chosen runs={undefined} />);
  expect(container.textContent).toBe("none");
  // While one is still being read, nobody knows which is worst.
  rerender(<Chosen runs={makeRuns({ runs: [fine, { ...bad, status: "reading" }] })} />);
  expect(container.textContent).toBe("none");
  rerender(<Chosen runs={makeRuns({ runs: [fine, bad] })} />);
  expect(container.textContent).toBe("b/bad");
  const worse = makeRuns({ runs: [{ ...fine, status: "broken" }, bad] });
  rerender(<Chosen runs={worse} />);
  expect(container.textContent).toBe("b/bad");
  rerender(<Chosen runs={worse} name="a/fine" />);
  expect(container.textContent).toBe("a/fine");
});

test("a view of one run shows the worst that is judged so far", () => {
  const Chosen = ({ runs }: { runs: Runs }) => (
    <p>{useChosenRun(runs, undefined, "report")?.run ?? "none"}</p>
  );
  const reading = (run: string) => makeRun({ run, status: "reading" });
  const { container, rerender } = render(<Chosen runs={makeRuns({ runs: [reading("a"), reading("b")] })} />);
  expect(container.textContent).toBe("none");
  const bad = makeRun({ run: "b", status: "broken" });
  rerender(<Chosen runs={makeRuns({ runs: [reading("a"), bad, makeRun({ run: "c" })] })} />);
  expect(container.textContent).toBe("b");
});

test("a failing route shows a banner, and Retry reads again", async () => {
  serve({ runs: 503 });
  render(<App />);
  expect((await screen.findByRole("alert")).textContent).toContain("The files are being read. (HTTP 503)");
  serve({ runs: makeRuns() });
  fireEvent.click(screen.getByRole("button", { name: "Retry" }));
  expect(await screen.findByRole("heading", { name: /vae/ })).toBeTruthy();
  expect(screen.queryByRole("alert")).toBeNull();
});

test("a healthy run says which checks it passed", async () => {
  serve({
    runs: makeRuns({ runs: [makeRun({ status: "healthy", loss: 1.5 })] }),
    diagnosis: makeDiagnosis({ status: "healthy", findings: [] }),
  });
  render(<App />);
  expect(
    await screen.findByText(/No problems found in steps 0 – 200. Checks passed: 1; not evaluated: 1/),
  ).toBeTruthy();
});

test("a run that cannot be read says why, and nothing is asked about it", async () => {
  const problem = "It was recorded by a newer version.";
  serve({ runs: makeRuns({ runs: [makeRun({ status: "unreadable", problem })] }), diagnosis: 404 });
  const { container } = render(<App />);
  expect(await screen.findByText(problem)).toBeTruthy();
  fireEvent.click(screen.getByRole("link", { name: "Gradients" }));
  expect(container.querySelector("main")?.textContent).toBe(problem);
  expect(screen.queryByRole("alert")).toBeNull();
});

test("a hostile layer name is text in the list and in the detail", async () => {
  window.location.hash = "#lossdiag&p.lossdiag.lang=en&p.lossdiag.view=findings";
  serve({ runs: makeRuns(), diagnosis: makeDiagnosis({ findings: [makeFinding({ subject: HOSTILE })] }) });
  const { container } = render(<App />);
  expect((await screen.findAllByText(HOSTILE)).length).toBe(2);
  expect(container.querySelector("img")).toBeNull();
});

test("keys move through the list, a link opens a symptom, and the address follows", async () => {
  window.location.hash = "#lossdiag&p.lossdiag.lang=en&p.lossdiag.view=findings";
  const symptom = makeFinding({ code: "LD203", title: "A spike" });
  const findings = [makeFinding({ explains: [symptom] }), makeFinding({ code: "LD301", title: "Clipping" })];
  serve({ runs: makeRuns(), diagnosis: makeDiagnosis({ findings }) });
  render(<App />);
  const list = await screen.findByRole("list", { name: "List of findings" });
  fireEvent.keyDown(list, { key: "j" });
  expect(await screen.findByRole("heading", { level: 2, name: /Clipping/ })).toBeTruthy();
  expect(window.location.hash).toContain("p.lossdiag.f=LD301%3A100");
  fireEvent.keyDown(list, { key: "k" });
  fireEvent.click(await screen.findByRole("link", { name: /LD203 A spike/ }));
  expect(await screen.findByRole("heading", { level: 2, name: /A spike/ })).toBeTruthy();
});

test("a finding says when it was reported while the training ran", async () => {
  window.location.hash = "#lossdiag&p.lossdiag.lang=en&p.lossdiag.view=findings";
  const said = { severity: "error" as const, walltime: 1.79e9 };
  const reported = [
    { ...said, state: "appeared" as const, step: 1230 },
    { ...said, state: "cleared" as const, step: 1700 },
  ];
  serve({ runs: makeRuns(), diagnosis: makeDiagnosis({ findings: [makeFinding({ reported })] }) });
  render(<App />);
  expect(await screen.findByText(/^at step 1,230 \(.*2026/)).toBeTruthy();
  expect(screen.getByText(/^cleared at step 1,700/)).toBeTruthy();
});

test("what was reported while the training ran is told although it is not found any more", async () => {
  window.location.hash = "#lossdiag&p.lossdiag.lang=en&p.lossdiag.view=findings";
  const said = { severity: "error" as const, walltime: 1.79e9, state: "appeared" as const, step: 10 };
  const reported = [
    { ...said, code: "LD103", subject: "kl" },
    { ...said, code: "LD103", subject: "kl", state: "cleared" as const, step: 20 },
    { ...said, code: "LD201", subject: "" },
    { ...said, code: "LD101", subject: "" },
  ];
  const symptom = makeFinding({ code: "LD201" });
  serve({
    runs: makeRuns(),
    diagnosis: makeDiagnosis({ findings: [makeFinding({ explains: [symptom] })], reported }),
  });
  render(<App />);
  const past = (await screen.findByText("Reported live, no longer found (1)")).closest("details");
  expect(past?.textContent).toMatch(/LD103 kl.*at step 10 .*cleared at step 20 /);
});

test("a view without its quantity says how to record it", async () => {
  window.location.hash = "#lossdiag&p.lossdiag.lang=en&p.lossdiag.view=gradients";
  serve({ runs: makeRuns() });
  render(<App />);
  expect(await screen.findByText(/Gradient norms were not recorded for this run/)).toBeTruthy();
});

test("the page speaks Chinese when asked", async () => {
  serve({ runs: makeRuns() });
  render(<App />);
  fireEvent.click(await screen.findByRole("button", { name: "中文" }));
  expect(await screen.findByText("已通过的规则检查", { exact: false })).toBeTruthy();
  expect(document.documentElement.lang).toBe("zh-CN");
});

test("a run read from plain scalars says so, and what TensorBoard left out", async () => {
  const facts = { source: "scalars", scalars: "loss: train/loss", thinned: "loss", unread: "my/own" };
  serve({ runs: makeRuns(), diagnosis: makeDiagnosis({ facts }) });
  render(<App />);
  expect(await screen.findByText(/Read from plain scalars \(loss: train\/loss\)/)).toBeTruthy();
  expect(screen.getByText(/nobody knows these scalars: my\/own\./)).toBeTruthy();
  expect(screen.getByText(/kept only a sample of: loss\./)).toBeTruthy();
});

test("a finding that came after the last visit is marked", async () => {
  window.location.hash = "#lossdiag&p.lossdiag.lang=en&p.lossdiag.view=findings";
  const old = makeFinding();
  serve({ runs: makeRuns(), diagnosis: makeDiagnosis({ findings: [old] }) });
  render(<App />);
  await screen.findByText("Findings: 1");
  expect(screen.queryByText("new since your last visit")).toBeNull();
  cleanup();
  const more = [old, makeFinding({ code: "LD202", title: "The gradient explodes" })];
  serve({ runs: makeRuns(), diagnosis: makeDiagnosis({ findings: more }) });
  render(<App />);
  const mark = await screen.findByText("new since your last visit");
  expect(mark.closest("li")?.textContent).toContain("The gradient explodes");
});
