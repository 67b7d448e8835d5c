// SPDX-License-Identifier: GPL-3.0-or-later
//
// A job type for Flamenco 3: takes of a cast (by lines), keys in a copy of the .blend file, frames, a preview film.
// It belongs into the folder "scripts" beside flamenco-manager. docs/farm/flamenco.md of Mouthpiece explains it.
//
// Paths are arguments of their own, so that the Manager's two-way variables, which replace the beginnings of
// arguments, work for them.

const JOB_TYPE = {
    label: "Mouthpiece",
    description: "Animate the faces of a cast, and render",
    settings: [
        { key: "blendfile", type: "string", required: true, visible: "web",
          description: "The .blend file whose characters speak" },
        { key: "cast", type: "string", subtype: "file_path", default: "",
          description: "Table of who speaks what (CSV, JSON or OTIO), on the shared storage. " +
              "Empty: the sound strips of the scene, animated in one task" },
        { key: "lines", type: "string", default: "",
          description: "Lines of the table, counted from 1. Example: '1-60'. Empty: all lines, in one task" },
        { key: "lines_per_task", type: "int32", default: 10, propargs: {min: 1}, visible: "submission",
          description: "Lines of which one task makes the takes: each task loads the networks once" },
        { key: "takes_path", type: "string", subtype: "dir_path", default: "",
          eval: "str(Path(bpy.data.filepath).parent / 'takes')",
          description: "Folder of the takes; what is there already and still right is not made again" },
        { key: "baked_path", type: "string", subtype: "file_path", required: true,
          eval: "str(Path(bpy.data.filepath).parent / 'baked' / (Path(bpy.data.filepath).stem.removesuffix('.flamenco') " +
              "+ '.blend'))",
          description: "The copy of the .blend file that gets the keys; it is replaced" },
        { key: "blender", type: "string", default: "{blender}", visible: "submission",
          description: "Blender with the add-on enabled: a variable of the Manager, or a path" },
        { key: "python", type: "string", default: "{python}", visible: "submission",
          description: "The Python that has Mouthpiece: a variable of the Manager, or a path" },
        { key: "overlap", type: "string", choices: ["scene", "refuse", "blend"], default: "scene",
          visible: "submission",
          description: "What to do where lines of one character overlap; scene: as its cast has it" },

        { key: "render", type: "bool", default: true, visible: "submission",
          description: "Render the frames as well" },
        { key: "frames", type: "string", default: "",
          eval: "f'{C.scene.frame_start}-{C.scene.frame_end}'",
          evalInfo: { showLinkButton: true, description: "The scene's frames" },
          description: "Frames to render. Examples: '47', '1-30', '3, 5-10'" },
        { key: "chunk_size", type: "int32", default: 10, propargs: {min: 1}, visible: "submission",
          description: "Frames that one task renders" },
        { key: "render_output_path", type: "string", subtype: "hashed_file_path", default: "",
          eval: "str(Path(bpy.data.filepath).parent / 'frames' / '######')",
          description: "Where frames are rendered to, # for the digits of the frame; {timestamp} is replaced" },
        { key: "format", type: "string", default: "PNG", eval: "C.scene.render.image_settings.file_format",
          visible: "web", description: "Format of the frames" },
        { key: "image_file_extension", type: "string", default: ".png", eval: "C.scene.render.file_extension",
          visible: "hidden", description: "Ending of the frames' names" },
        { key: "scene", type: "string", default: "", visible: "web",
          description: "Scene to render; empty: the active one" },
        { key: "preview", type: "bool", default: false, visible: "submission",
          description: "Make a film without sound of the frames, with FFmpeg" },
        { key: "fps", type: "float", default: 24.0, eval: "C.scene.render.fps / C.scene.render.fps_base",
          visible: "hidden", description: "Frames per second of the preview" },
    ],
};

function compileJob(job) {
    const settings = job.settings;
    fillIn(settings);
    checkSettings(settings);
    settings.render_output_path = stamped(settings.render_output_path, job.created);

    const animateTasks = settings.cast ? authorAnimateTasks(settings) : [];
    const bakeTask = authorBakeTask(settings);
    for (const task of animateTasks) {
        bakeTask.addDependency(task);
        job.addTask(task);
    }
    job.addTask(bakeTask);
    if (!settings.render) {
        return;
    }
    const renderTasks = authorRenderTasks(settings);
    for (const task of renderTasks) {
        task.addDependency(bakeTask);
        job.addTask(task);
    }
    if (settings.preview) {
        const previewTask = authorPreviewTask(settings);
        for (const task of renderTasks) {
            previewTask.addDependency(task);
        }
        job.addTask(previewTask);
    }
}

// Whoever submits without Blender may leave out what has a default.
function fillIn(settings) {
    for (const setting of JOB_TYPE.settings) {
        if (settings[setting.key] === undefined && setting.default !== undefined) {
            settings[setting.key] = setting.default;
        }
    }
}

// What is missing or contradicts itself is told before there are any tasks.
function checkSettings(settings) {
    const needed = ["blendfile", "baked_path"];
    if (settings.cast) {
        needed.push("takes_path");
    }
    if (settings.render) {
        needed.push("frames", "render_output_path");
    }
    for (const key of needed) {
        if (!settings[key]) {
            throw `The setting "${key}" is empty: fill it in.`;
        }
    }
    if (settings.baked_path === settings.blendfile) {
        throw "The keys go into a copy: baked_path must be another file than blendfile.";
    }
    if (settings.render && ["FFMPEG", "AVI_RAW", "AVI_JPEG"].includes(settings.format)) {
        throw `Frames are rendered by many workers: choose a format of images instead of ${settings.format}.`;
    }
    if (settings.preview && settings.format.startsWith("OPEN_EXR")) {
        throw "FFmpeg makes no preview of OpenEXR frames: choose another format, or no preview.";
    }
}

function stamped(text, created) {
    return text && text.replace("{timestamp}", formatTimestampLocal(created));
}

// frameChunker does for lines what it does for frames: '1-3,7' in parts of so many at most.
function authorAnimateTasks(settings) {
    const chunks = settings.lines ? frameChunker(settings.lines, settings.lines_per_task) : [""];
    return chunks.map((chunk) => {
        const task = author.Task(chunk ? `animate-${chunk}` : "animate", "misc");
        task.addCommand(author.Command("exec", {
            exe: settings.python,
            args: ["-m", "mouthpiece", "batch", settings.cast, "-o", settings.takes_path, "--resume"]
                .concat(chunk ? ["--lines", chunk] : []),
        }));
        return task;
    });
}

function authorBakeTask(settings) {
    const task = author.Task("bake", "blender");
    let args = ["--background", settings.blendfile, "--command", "mouthpiece", "batch"];
    if (settings.cast) {
        args = args.concat([settings.cast, "--takes", settings.takes_path]);
    }
    if (settings.lines) {
        args = args.concat(["--lines", frameChunker(settings.lines, frameCount(settings.lines))[0]]);
    }
    if (settings.overlap !== "scene") {
        args = args.concat(["--overlap", settings.overlap]);
    }
    args = args.concat(["--output", settings.baked_path, "--resume", "--force"]);
    task.addCommand(author.Command("make-directory", { path: path.dirname(settings.baked_path) }));
    task.addCommand(author.Command("exec", { exe: settings.blender, args: args }));
    return task;
}

function authorRenderTasks(settings) {
    return frameChunker(settings.frames, settings.chunk_size).map((chunk) => {
        const task = author.Task(`render-${chunk}`, "blender");
        task.addCommand(author.Command("blender-render", {
            exe: settings.blender,
            exeArgs: "{blenderArgs}",
            argsBefore: [],
            blendfile: settings.baked_path,
            args: (settings.scene ? ["--scene", settings.scene] : []).concat([
                "--render-output", settings.render_output_path,
                "--render-format", settings.format,
                "--use-extension", "1",
                "--render-frame", chunk.replaceAll("-", ".."),
            ]),
        }, frameCount(chunk)));
        return task;
    });
}

function authorPreviewTask(settings) {
    const folder = path.dirname(settings.render_output_path);
    const task = author.Task("preview", "ffmpeg");
    task.addCommand(author.Command("frames-to-video", {
        exe: "ffmpeg",
        fps: settings.fps,
        inputGlob: path.join(folder, `*${settings.image_file_extension}`),
        outputFile: path.join(folder, `${path.stem(settings.baked_path)}.mp4`),
        args: ["-c:v", "h264", "-crf", "20", "-pix_fmt", "yuv420p",
            "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-y"],
    }));
    return task;
}
