// The helper, where main.js puts it, and how it is called.

const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");

const NAME = "docker-credential-ecr-login";
const environ = process.env;

const source = path.join(__dirname, "..", "docker_credential_ecr_login");
const protocol = fs.readFileSync(path.join(source, "protocol.py"), "utf8");
const version = /^__version__ = "(.*)"$/m.exec(protocol)[1];

// The build for this machine, which is a directory in a file of the same name.
const { systems, machines } = require(path.join(source, "building", "platforms.json"));
const system = systems[process.platform] ?? process.platform;
const machine = machines[process.arch] ?? process.arch;
const isMusl = system === "linux" && !process.report.getReport().header.glibcVersionRuntime;
const build = `${NAME}-${version}-${system}-${machine}${isMusl ? "-musl" : ""}`;

// The runner empties RUNNER_TEMP when a job has ended.
const temporary = path.join(environ.RUNNER_TEMP, "ecr-login");
const programs = path.join(temporary, build, "bin");
environ.PATH = programs + path.delimiter + environ.PATH; // as it is for the steps that follow

// Runs a command of the helper; `more` are variables for it. Throws what it says on stderr.
function helper(command, more = {}, stdin = "") {
  const env = { ...environ, ...more };
  const options = { env, input: stdin, stdio: ["pipe", "inherit", "pipe"], encoding: "utf8" };
  const { error, status, signal, stderr } = spawnSync(path.join(programs, NAME), command, options);
  if (error) throw error;
  if (status !== 0) throw new Error(stderr.trim() || `${NAME} ${command[0]} was ended by ${signal}`);
  process.stdout.write(stderr);
}

// Shows what went wrong as GitHub shows errors, and has the step fail.
function report(error) {
  const message = error.cause ? `${error.message}: ${error.cause.message}` : error.message;
  const escapes = { "%": "%25", "\r": "%0D", "\n": "%0A" };
  console.log(`::error::${message.replace(/[%\r\n]/g, (letter) => escapes[letter])}`);
  process.exitCode = 1;
}

module.exports = { build, environ, helper, programs, report, temporary, version };
