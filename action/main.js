// Gets the tokens, leaves them with the helper, and has docker ask that one from here on.

const { spawnSync } = require("node:child_process");
const { createHash } = require("node:crypto");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { build, environ, helper, programs, report, temporary, version } = require("./helper.js");

const input = (name) => (environ[`INPUT_${name.toUpperCase()}`] ?? "").trim();

// For the steps that follow, or for post.js.
const set = (file, line) => fs.appendFileSync(environ[file], `${line}\n`);

async function download(url) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(120_000) });
  if (!answer.ok) throw new Error(`${url}: HTTP status ${answer.status}`);
  return Buffer.from(await answer.arrayBuffer());
}

// Puts the build that needs no Python beside what else this job leaves behind.
async function install() {
  const { GITHUB_SERVER_URL, GITHUB_ACTION_REPOSITORY } = environ;
  const release = `${GITHUB_SERVER_URL}/${GITHUB_ACTION_REPOSITORY}/releases/download/v${version}`;
  const file = `${build}.tar.gz`;
  const sums = (await download(`${release}/SHA256SUMS`)).toString();
  const archive = await download(`${release}/${file}`);
  const sum = createHash("sha256").update(archive).digest("hex");
  if (!sums.split("\n").includes(`${sum}  ${file}`)) {
    throw new Error(`${release}/${file} is not the file that SHA256SUMS beside it is about`);
  }
  fs.mkdirSync(temporary, { recursive: true });
  const options = { cwd: temporary, input: archive, encoding: "utf8" };
  const { error, status, stderr } = spawnSync("tar", ["-xzf", "-"], options);
  if (error || status !== 0) throw new Error(`tar cannot unpack ${file}: ${error ?? stderr}`);
}

// The helpers that Docker's configuration names for registries.
function helpers() {
  const directory = environ.DOCKER_CONFIG || path.join(os.homedir(), ".docker");
  try {
    return JSON.parse(fs.readFileSync(path.join(directory, "config.json"), "utf8")).credHelpers ?? {};
  } catch {
    return {}; // there is no such file; or a broken one, of which the helper says so
  }
}

// Returns the outputs of this step.
function logIn() {
  const type = input("registry-type").toLowerCase() || "private";
  if (!["private", "public"].includes(type)) {
    throw new Error(`registry-type must be private or public, and is ${type}`);
  }
  const options = type === "public" ? ["--public"] : input("registries").split(",").filter(Boolean);
  if (input("mask-password").toLowerCase() === "false") {
    console.log("::warning::The password is not masked: a debug log of this run shows it.");
    options.push("--no-mask");
  }
  // Not as an option: command lines are public.
  const proxy = input("http-proxy") || environ.HTTP_PROXY || environ.http_proxy;
  const proxies = proxy ? { HTTPS_PROXY: proxy, https_proxy: proxy } : {};
  // A token in the cache belongs to the credentials of now. As a login it outlives them.
  helper(["login", "--output", "github", ...options], { ...proxies, AWS_ECR_DISABLE_CACHE: "1" });
  const written = fs.readFileSync(environ.GITHUB_OUTPUT, "utf8");
  const outputs = written.matchAll(/^(\w+)<<(.*)\r?\n([^]*?)\r?\n\2\r?$/gm);
  return Object.fromEntries([...outputs].map(([, name, , value]) => [name, value]));
}

async function main() {
  await install();
  set("GITHUB_PATH", programs);
  if (!environ.AWS_ECR_CACHE_DIR) {
    environ.AWS_ECR_CACHE_DIR = path.join(temporary, "cache");
    set("GITHUB_ENV", `AWS_ECR_CACHE_DIR=${environ.AWS_ECR_CACHE_DIR}`);
  }
  const outputs = logIn();
  const registries = outputs.registries.split(",");
  if (input("skip-logout").toLowerCase() !== "true") {
    set("GITHUB_STATE", `registries=${registries}`);
    set("GITHUB_STATE", `added=${registries.filter((registry) => !(registry in helpers()))}`);
  }
  for (const ServerURL of registries) {
    const name = ServerURL.replace(/[^a-zA-Z0-9_]+/g, "_");
    const Username = outputs[`docker_username_${name}`];
    const Secret = outputs[`docker_password_${name}`];
    helper(["store"], {}, JSON.stringify({ ServerURL, Username, Secret }));
  }
  helper(["configure", ...registries]);
}

// node looks for proxies in its environment only if it is told so when it starts.
if (environ.NODE_USE_ENV_PROXY) {
  main().catch(report);
} else {
  const env = { ...environ, NODE_USE_ENV_PROXY: "1" };
  process.exitCode = spawnSync(process.execPath, [__filename], { env, stdio: "inherit" }).status ?? 1;
}
