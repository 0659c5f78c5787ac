"""All trainings abroad, a module per library or field.

language.py        Transformers' Trainer: GPT-2, BERT and T5 from configuration
vision.py          Transformers' Trainer: ViT from configuration
attention.py       transformers written by hand
attention_faults.py   the same, each with one fault inside
preferences.py     TRL: SFT, DPO, GRPO, reward models
adapters.py        PEFT: LoRA, DoRA
lightning_loops.py Lightning: automatic and manual optimization
agents.py          Stable-Baselines3: PPO, A2C, DQN
keras_on_torch.py  Keras 3 with torch as its backend
graphs.py          PyTorch Geometric
diffusion.py       denoising diffusion
contrastive.py     SimCLR, MoCo, SimSiam, CLIP
detection.py       boxes, classes and objectness of a grid
speech.py          CTC
series.py          forecasts
tabular.py         tables, and distillation
fresh_reports.py   reports that were looked for when the rules were done, and sound programs beside them
"""
