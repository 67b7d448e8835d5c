// Runs a job type of Flamenco 3 under node, with a small stand-in of the globals that the Manager gives its scripts:
//     node flamenco_globals.js SCRIPT < JOB      prints {"tasks": […], "jobType": {…}} or {"thrown": "…"}
"use strict";
const fs = require("fs");
const vm = require("vm");

function exploded(range) {
    const frames = new Set();
    for (const part of String(range).replaceAll("..", "-").split(",")) {
        const ends = part.split("-").map((end) => end.trim());
        if (ends.length > 2 || ends.some((end) => !/^\d+$/.test(end))) {
            throw `invalid range "${range}"`;
        }
        for (let frame = Number(ends[0]); frame <= Number(ends[ends.length - 1]); frame++) {
            frames.add(frame);
        }
    }
    return [...frames].sort((one, other) => one - other);
}

function merged(frames) {
    const runs = [];
    for (const frame of frames) {
        const run = runs[runs.length - 1];
        if (run && run[1] + 1 === frame) {
            run[1] = frame;
        } else {
            runs.push([frame, frame]);
        }
    }
    return runs
        .map(([first, last]) => (first === last ? `${first}` : first + 1 === last ? `${first},${last}` : `${first}-${last}`))
        .join(",");
}

function frameChunker(range, size) {
    if (!String(range).trim() || !Number.isInteger(size) || size < 1) {
        throw `invalid range "${range}" or chunk size ${size}`;
    }
    const frames = exploded(range);
    const chunks = [];
    for (let at = 0; at < frames.length; at += size) {
        chunks.push(merged(frames.slice(at, at + size)));
    }
    return chunks;
}

class Task {
    constructor(name, type) {
        if (!name || !type) {
            throw "author.Task(name, type): name and type are required";
        }
        Object.assign(this, { name, type, priority: 50, commands: [], dependencies: [] });
    }
    addCommand(command) {
        this.commands.push(command);
    }
    addDependency(task) {
        this.dependencies.push(task.name);
    }
}

// Both kinds of slashes separate, whatever the system of the Manager.
const cut = (text) => Math.max(text.lastIndexOf("/"), text.lastIndexOf("\\"));
const path = {
    basename: (text) => text.slice(cut(text) + 1),
    dirname: (text) => text.slice(0, Math.max(cut(text), 0)) || (cut(text) === 0 ? "/" : "."),
    join: (...parts) => parts.join(parts[0].includes("\\") ? "\\" : "/"),
    stem: (text) => path.basename(text).replace(/\.[^.]*$/, ""),
};

const job = JSON.parse(fs.readFileSync(0, "utf8"));
const tasks = [];
job.created = new Date(2026, 10, 30, 12, 0, 0);
job.addTask = (task) => {
    if (tasks.some((other) => other.name === task.name)) {
        throw `two tasks are called ${task.name}`;
    }
    tasks.push(task);
};
const globals = {
    author: {
        Task: (name, type) => new Task(name, type),
        Command: (name, parameters, steps = 0) => ({ name, parameters, steps }),
    },
    path,
    frameChunker,
    frameCount: (range) => exploded(range).length,
    formatTimestampLocal: () => "2026-11-30_120000",
    print: () => {},
    alert: () => {},
    shellSplit: (text) => text.split(/\s+/),
    job,
};
const context = vm.createContext(globals);
vm.runInContext(`"use strict";\n${fs.readFileSync(process.argv[2], "utf8")}`, context);
let answer;
try {
    vm.runInContext("compileJob(job)", context);
    answer = { tasks, jobType: JSON.parse(vm.runInContext("JSON.stringify(JOB_TYPE)", context)) };
} catch (thrown) {
    answer = { thrown: String(thrown) };
}
process.stdout.write(JSON.stringify(answer));
