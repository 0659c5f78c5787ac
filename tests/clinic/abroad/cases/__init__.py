"""All trainings abroad, a module per library or field.

language.py        Transformers' Trainer: GPT-2, BERT and T5 from configuration
packed.py          Transformers' Trainer: several documents in a row
vision.py          Transformers' Trainer: ViT from configuration
attention.py       transformers written by hand
attention_faults.py   the same, each with one fault inside
preferences.py     TRL: SFT, DPO, GRPO, reward models
questions.py       TRL: SFT on questions with answers
rewarded.py        TRL: GRPO and DPO, by what the trainer logs of them
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
eyes_makers.py     what makes pictures, proxies, views and teachers, from reports, and the same as it should be
eyes_pictures.py   pictures, masks, boxes and captions, from reports, and the same as they should be
fresh_reports.py   reports that were looked for when the rules were done, and sound programs beside them
field_science.py   equations, forces, surrogates, sounds: reports that nobody here had rebuilt, each with its sound twin
field_loops.py     the same: checkpoints, averages, schedules, loaders, parameters
field_data.py      the same: shops, series, tables
frames_sound.py    frameworks' own examples, with the README's line for each: fastai, Keras 3, Lightning, Stable-Baselines3

Sealed until they had been measured, and opened then:

sealed_beginners.py     first loops by hand
sealed_schedules.py     rates that follow or count something
sealed_targets.py       augmentation, smoothing, class weights, masks
sealed_generators.py    autoencoders, two players, diffusion
sealed_students.py      contrastive learning, distillation, tasks that are weighed, bfloat16
sealed_sequences.py     series, words, speech
sealed_policies.py      reinforcement by hand
sealed_lightning.py     Lightning
sealed_transformers.py  Transformers' Trainer
sealed_adapters.py      PEFT
sealed_preferences.py   TRL
sealed_agents.py        Stable-Baselines3
sealed_graphs.py        PyTorch Geometric
sealed_third.py              a third lot, written when those had been opened: loaders, samplers, schedules, folds
sealed_third_losses.py       the same: masks, overlaps, likenesses
sealed_third_densities.py    the same: mixtures, likelihoods by hand, codebooks
sealed_third_sequences.py    the same: states and words of a batch, padding, depth
sealed_third_generators.py   the same: two players, diffusion, boxes
sealed_third_policies.py     the same: reinforcement by hand
sealed_third_fields.py       the same: equations, and sound trainings that look odd
sealed_third_lightning.py    the same: Lightning
sealed_third_transformers.py the same: Transformers' Trainer
sealed_third_adapters.py     the same: PEFT
sealed_third_preferences.py  the same: TRL
sealed_third_graphs.py       the same: PyTorch Geometric
sealed_third_keras.py        the same: Keras 3
sealed_fourth.py             a fourth lot, written when the third had been opened: losses and labels
sealed_fourth_loops.py       the same: first loops, schedules, tables, averages
sealed_fourth_words.py       the same: masks of padding, masked words, adapters
sealed_fourth_graphs.py      the same: graphs, shops, clients that are averaged
sealed_fourth_scenes.py      the same: segmentation, boxes, sounds, forecasts
sealed_fourth_makers.py      the same: two players, divergences, flows, codebooks
sealed_fourth_agents.py      the same: reinforcement by hand
sealed_fourth_frames.py      the same: Lightning, skorch, Accelerate, likenesses, domains

Sealed, which nobody looks into (their right answers were committed before they were measured):

sealed_second.py        a second lot, written when the first had been measured: loops by hand
sealed_second_models.py the same: tasks, teachers, pooling, Keras 3
sealed_fifth.py              a fifth lot, rebuilt after reports of 2023 to 2026 by an author who has read no rule: tables, pictures
sealed_fifth_loops.py        the same: poses, faces, schedules, adapters by hand
sealed_fifth_words.py        the same: words, drafts, preferences by hand
sealed_fifth_labels.py       the same: labels that attend, a trader
sealed_fifth_makers.py       the same: two players, codebooks, likenesses
sealed_fifth_series.py       the same: forecasts, equations, flows of states
sealed_fifth_trainers.py     the same: Transformers' Trainer, Lightning
sealed_fifth_keras.py        the same: Keras 3
sealed_fifth_sound.py        the same, what is sound: pictures, tables, tasks
sealed_fifth_sound_makers.py the same, what is sound: makers, words
sealed_fifth_sound_games.py  the same, what is sound: games, equations, graphs, few patients
sealed_sixth.py              a sixth lot, rebuilt after reports of 2022 to 2026 by an author who has read no rule: masks, experts, sounds
sealed_sixth_attention.py    the same: transformers by hand
sealed_sixth_agents.py       the same: a maze, poles on carts
sealed_sixth_makers.py       the same: scenes, sparse codes, ways around a pillar
sealed_sixth_series.py       the same: forecasts, boxes
sealed_sixth_words.py        the same: preferences by hand, words, Transformers' Trainer
sealed_sixth_loaded.py       the same: nets that were trained before
sealed_sixth_lightning.py    the same: Lightning
sealed_sixth_adapters.py     the same: PEFT
sealed_sixth_graphs.py       the same: PyTorch Geometric
sealed_sixth_keras.py        the same: Keras 3
sealed_sixth_sound.py        the same, what is sound: optimizers, thaws, margins, sets, doubts
sealed_sixth_sound_makers.py the same, what is sound: densities, flows, equations, code books, pictures
sealed_sixth_sound_tasks.py  the same, what is sound: strangers, tasks, survival, three-valued weights, gates
sealed_sixth_baselines.py    the same, what is sound: Stable-Baselines3
sealed_seventh.py            a seventh lot: words, ratings, masks, digits
sealed_seventh_loops.py      the same: tasks, scales, schedules
sealed_seventh_makers.py     the same: judges, derivatives, diffusion, frozen statistics
sealed_seventh_series.py     the same: sounds and series
sealed_seventh_agents.py     the same: advantages of language agents
sealed_seventh_lightning.py  the same: Lightning
sealed_seventh_adapters.py   the same: PEFT
sealed_seventh_graphs.py     the same: PyTorch Geometric
sealed_seventh_keras.py      the same: Keras 3
sealed_seventh_words.py      the same: Transformers' Trainer
sealed_seventh_sound.py      the same, what is sound: labels, floors, classes, sums, decay, few examples, courses
sealed_seventh_sound_loops.py   the same, what is sound: restarts, scales, sessions, teachers, tasks, statistics
sealed_seventh_sound_makers.py  the same, what is sound: judges, flows, densities, codes, twins
sealed_seventh_sound_tasks.py   the same, what is sound: rare objects, speech, equations
sealed_seventh_preferences.py   the same, what is sound: TRL
sealed_seventh_baselines.py  the same, what is sound: Stable-Baselines3
sealed_eighth.py             an eighth lot: first programs over words, masks, pictures and peptides
sealed_eighth_loops.py       the same: resets, steps, parts, rates
sealed_eighth_makers.py      the same: codes, noise, velocities, teachers, trees of classes
sealed_eighth_attention.py   the same: experts, masks, preferences by hand
sealed_eighth_agents.py      the same: agents by hand
sealed_eighth_series.py      the same: series
sealed_eighth_words.py       the same: Transformers' Trainer
sealed_eighth_lightning.py   the same: Lightning
sealed_eighth_adapters.py    the same: PEFT
sealed_eighth_graphs.py      the same: PyTorch Geometric
sealed_eighth_keras.py       the same: Keras 3
sealed_eighth_sound.py       the same, what is sound: fraud, teachers, pruning, tasks within tasks, refinement, scribbles
sealed_eighth_sound_makers.py   the same, what is sound: players, codes, keys, voices, mixtures
sealed_eighth_sound_tasks.py    the same, what is sound: agents, sets, words, equations, counts
sealed_eighth_preferences.py    the same, what is sound: TRL
sealed_eighth_baselines.py   the same, what is sound: Stable-Baselines3
words_agents.py              reports of the same day: agents in one file
words_replay.py              the same: Q-learning from a memory
words_control.py             the same: pushes and temperatures
words_pairs.py               the same: passages, teachers, preferences
words_translated.py          the same: translations and texts of any length
"""
