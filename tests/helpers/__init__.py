"""What tests share: asking, training, writing files, looking.

- `rule_asserts`: what a rule finds in a run
- `sick_runs`: the sick run of each rule
- `snippets`: runs the code that an advice shows
- `manual_code`: runs a page of the manual as a reader does
- `check_up_driver`: a check-up, driven from an optimizer's hooks
- `emitted`: what a journal or a recorder emits, as a reader sees it
- `tiny_trainings`: a few steps of a small model, recorded
- `tiny_language`: a language model of a few thousand parameters, and sentences for it
- `watchable_loop`: a training loop that runs with and without being watched
- `training_loops`: such loops of many kinds
- `endless_training`: a training that goes on as long as asked, and the memory it holds
- `probed`: asks copies of a model as a check-up does
- `rank_processes`: a process for each rank of a training
- `rank_main`: what the ranks of sound trainings do
- `parting_ranks`: what ranks do that part ways
- `written_runs`: runs written without training
- `full_run`: a run in which every view of the tab has something to show
- `sweeps`: a sweep whose faults follow from what was set
- `plain_scalars`: event files as frameworks write them
- `damaged_files`: event files taken apart, damaged and put together again
- `mutations`: mutations of event files, of bytes and of what they say
- `evil_folders`: log folders that nobody means to write
- `hostile_names`: names that want a page, a terminal or a file to do something else
- `tensorboard_process`: a real TensorBoard on a folder
- `plugin_frame`: the plugin's frame in an open TensorBoard, and waiting in it
- `axe`: what axe-core finds wrong with a page
- `canvas_pixels`: the colours that a page's canvases are painted in
"""
