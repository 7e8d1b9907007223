// Puts a build where the service carries it: scripts and their manifest, each also compressed.
//   node scripts/carry.mjs web/widget/dist packages/kaskad/src/kaskad/http/widget/static

import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const [from, to] = process.argv.slice(2);
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };

rmSync(to, { recursive: true, force: true });
for (const name of readdirSync(from, { recursive: true })) {
  if (!/\.(js|json)$/.test(name)) continue;
  const place = join(to, name);
  mkdirSync(dirname(place), { recursive: true });
  cpSync(join(from, name), place);
  const body = readFileSync(place);
  writeFileSync(`${place}.gz`, gzipSync(body, { level: 9 }));
  writeFileSync(`${place}.br`, brotliCompressSync(body, BROTLI));
}
