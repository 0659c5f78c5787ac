"""How a quantity gets recorded: the clauses a user reads when a rule misses one."""

BREAK = (
    "nothing to do: kept where a loss leaps or stops being finite while records cover several steps"
)
MODEL = "writer.watch(model, optimizer), or pass the model to add_diagnostics after backward()"
LOSS = "pass loss= to add_diagnostics"
TERMS = "pass loss_terms= to add_diagnostics"
VALIDATION = 'call add_diagnostics(loss=…, phase="validation")'
ACCURACY = 'writer.add_scalar("train/accuracy", …) or "val/accuracy"'
CLIP = "clip with writer.clip_grad_norm_ or pass clip=(total_norm, max_norm)"
OPTIMIZER = "writer.watch(model, optimizer), or pass optimizer= to add_diagnostics"
SCALER = "pass scaler= to writer.watch or add_diagnostics"
EXTRA = "pass extra= to add_diagnostics"
WATCH = "writer.watch(model, optimizer)"
CHECK_UP = "writer.watch(model, optimizer) with check_up=True"
ACTIVATIONS = "writer.watch(model, optimizer) with activations=True"
CALL = f"{CHECK_UP}, or `with writer.check_up():` around forward and backward"
DECOMPOSE = "writer.decompose(terms, at=shared) before backward(), or watch(…, decompose=N)"
ROUTER = "writer.record_router(layer, counts), or writer.watch(model, optimizer), whose check-ups see a router's topk"
ROUTER_LOG = "log it layer by layer as OLMo-core, NeMo Automodel or Megatron-LM do, or name your tag with --map"
TIMES_LOG = "log it as TRL, verl or torchtitan do, or name your tag with --map"
PREFLIGHT = "writer.preflight(model, batch, loss_fn, optimizer)"
PROBES = "writer.watch(model, optimizer) with probes=True"
RANKS = "writer.watch(model, optimizer) on every rank"
AGENT = "log it as TRL, verl or Stable-Baselines3 do, or name your tag with --map"
PREFERENCE = "log it as TRL's DPOTrainer does, or name your tag with --map"
