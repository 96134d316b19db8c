// Builds src/ into the folder that the wheel ships, or into the folder given as the first argument.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "..", "platypus", "serving", "page");

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
await build({
  absWorkingDir: here,
  entryPoints: { page: "src/main.tsx", style: "src/style.css" },
  outdir: out,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["chrome111", "firefox115", "safari16.4"],
  jsx: "automatic",
  jsxImportSource: "preact",
  charset: "utf8",
  legalComments: "none", // the licences stand in LICENSES.txt
});

// With its hash behind each name, so that no browser keeps a file of an earlier release.
const page = readFileSync(join(here, "src", "index.html"), "utf8").replace(/(page\.js|style\.css)(?=")/g, (name) => {
  const hash = createHash("sha256").update(readFileSync(join(out, name)));
  return `${name}?${hash.digest("hex").slice(0, 8)}`;
});
writeFileSync(join(out, "index.html"), page);

// Every package that is not for development alone, since a package may contain another one already bundled.
const { packages } = JSON.parse(readFileSync(join(here, "package-lock.json"), "utf8"));
const licences = Object.entries(packages)
  .filter(([path, { dev }]) => path && !dev)
  .map(([path, { version }]) => {
    const licence = readFileSync(join(here, path, "LICENSE"), "utf8").trim();
    return `${path.replace("node_modules/", "")} ${version}\n\n${licence}\n`;
  });
writeFileSync(join(out, "LICENSES.txt"), licences.join(`\n${"-".repeat(80)}\n\n`));

// What the output was built from, so that a test without npm notices a source that was changed and not built.
const sources = [
  "build.mjs",
  "package.json",
  "package-lock.json",
  "tsconfig.json",
  ...readdirSync(join(here, "src")).map((name) => `src/${name}`),
];
const lines = sources.sort().map(
  (name) =>
    `${createHash("sha256")
      .update(readFileSync(join(here, name)))
      .digest("hex")}  ${name}\n`,
);
writeFileSync(join(out, "sources.sha256"), lines.join(""));
