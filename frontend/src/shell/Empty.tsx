/** The first thing a new user sees: how to record something. */
import type { Runs } from "../data/types";
import { useText } from "../i18n";
import { CodeBlock } from "../parts/Copy";
import { LeftOutRuns } from "../views/runs/LeftOutRuns";

const SNIPPET = `from tb_lossdiag import SummaryWriter
writer = SummaryWriter("runs/first")
writer.watch(model, optimizer)  # before the loop
writer.add_diagnostics(loss=loss, global_step=step)  # after loss.backward()`;

export function Empty({ runs }: { runs: Runs }) {
  const { t } = useText();
  return (
    <section class="empty">
      <h2>{t("empty.heading")}</h2>
      <p>{t("empty.text")}</p>
      <CodeBlock text={SNIPPET} />
      <p>{t("empty.demo")}</p>
      <CodeBlock text={`tb-lossdiag demo --logdir ${runs.logdir ? JSON.stringify(runs.logdir) : "runs"}`} />
      <p>{t("empty.scalars")}</p>
      {runs.logdir ? <p class="muted">{t("empty.folder", { logdir: runs.logdir })}</p> : null}
      <LeftOutRuns runs={runs} />
    </section>
  );
}
