/** Builds dist/: each file stands alone, but for those that it fetches when they are needed. */

import { readFile, rm, writeFile } from "node:fs/promises";
import { minify } from "terser";
import { build } from "vite";

/** The files by the mode that builds them, see vite.config.ts. */
const FILES = {
  core: "kaskad-otp",
  umd: "otp-widget.umd",
  react: "react",
  captcha: "captcha",
  codeless: "codeless",
  countries: "countries",
  phone: "phone-metadata",
  "web-otp": "web-otp",
  en: "locales/en",
  ru: "locales/ru",
};

/** What each module of dist/ declares; the declarations themselves are in dist/types/. */
const DECLARED = {
  "kaskad-otp": "./types/define",
  react: "./types/react",
  "locales/en": "../types/i18n/en",
  "locales/ru": "../types/i18n/ru",
};

/** What is within the whole form alone: no other file, no answer, nothing stored, no event and no
 *  effect has these names, and no page can see them. */
const WHOLE = new Set(["core", "umd"]);
const INSIDE =
  /^(typedPhone|changedFrom|skewMs|resumed|proven|asked|effects|submitCode|anotherWay|timeoutMs|onfull|onedit|onChange|onEvent|captchaHost|surroundings|problem|offline|failure|insist|spoken|version|httpStatus|held|heading|update|resize|renew|shown|buttons|watch|controller|node|state|storage)$/;

/** What is in a file that others wrote, whose licence asks to be told with it. */
const BUNDLED = { phone: "libphonenumber-js" };

/** A hundredth smaller than what the bundler makes of it by itself; what is not ours is left alone. */
async function shrink(mode, file) {
  const { code } = await minify(await readFile(file, "utf8"), {
    module: mode !== "umd",
    ecma: 2022,
    compress: {
      passes: 3,
      pure_getters: true,
      unsafe: true,
      unsafe_arrows: true,
      unsafe_methods: true,
      // Longer, and yet smaller once it is compressed.
      lhs_constants: false,
      sequences: false,
      if_return: false,
    },
    mangle: { properties: WHOLE.has(mode) && { regex: INSIDE, builtins: true } },
  });
  // Between the rules of a style sheet, which is a string here.
  await writeFile(file, code.replace(/(?<=[{};])\\n/g, ""));
}

async function notice(name) {
  const folder = new URL(`../../../node_modules/${name}/`, import.meta.url);
  const { version } = JSON.parse(await readFile(new URL("package.json", folder), "utf8"));
  const licence = (await readFile(new URL("LICENSE", folder), "utf8")).trim();
  return (
    `/*!\n${name} ${version}\n\n${licence}\n\n` +
    "Its metadata is from Google's libphonenumber, Apache License 2.0.\n*/\n"
  );
}

await rm("dist", { recursive: true, force: true });
for (const [mode, name] of Object.entries(FILES)) {
  await build({ mode, logLevel: "warn" });
  const file = `dist/${name}.js`;
  const from = BUNDLED[mode];
  if (from) await writeFile(file, (await notice(from)) + (await readFile(file, "utf8")));
  else await shrink(mode, file);
}
for (const [name, types] of Object.entries(DECLARED)) {
  await writeFile(`dist/${name}.d.ts`, `export * from "${types}";\n`);
}
