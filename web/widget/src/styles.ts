/**
 * The look: every colour and measure that a page may change is a custom property. What keeps focus
 * and choice visible in forced colours are outlines and borders, never shadows or backgrounds.
 */

import { dresser } from "./adopt";

const NAMES = "primary on-primary text muted surface line control danger success".split(" ");

/** The colours in the order of their names, as `--0`, `--1`, ... */
const palette = (scheme: string, colors: string): string =>
  `${colors
    .split(" ")
    .map((color, index) => `--${index}:var(--kaskad-color-${NAMES[index]},#${color});`)
    .join("")}color-scheme:${scheme};`;

const light = palette("light", "0b6e69 fff 0f1f1d 51635f fff dbe4e1 78908a b3261e 177245");
const dark = palette("dark", "5fd3c6 04211e e7efed 9db0ab 141c1a 2a3633 6f857f ff9d94 74d7a0");

/** A little of the main colour on the surface. */
const tint = "color-mix(in srgb,var(--0) 12%,var(--4))";

const CSS = `
:host{${light}--r:var(--kaskad-radius,14px);display:block;max-inline-size:27em;font-family:var(--kaskad-font,system-ui,sans-serif)}
:host([theme=dark]){${dark}}
@media(prefers-color-scheme:dark){:host(:not([theme=light])){${dark}}}
:host([hidden]),[hidden]{display:none!important}
*{box-sizing:border-box;margin:0}
.card{display:grid;grid:auto/minmax(0,99em);line-height:1.5;text-align:start;white-space:normal;font-variant-numeric:tabular-nums;color:var(--2);padding:var(--kaskad-padding,clamp(1.25em,6vw,2em));border:1px solid var(--5);border-radius:calc(var(--r)*1.5);background:var(--4);box-shadow:var(--kaskad-shadow,0 16px 40px -20px #0006)}
:is(button,a):focus-visible{outline:3px solid var(--0);outline-offset:2px}
h2,input{outline:0}
h2{font-size:1.5em;font-weight:600;line-height:1.2}
p:not(:empty){margin-block-start:.75em}
form{margin-block-start:1.5em}
label{display:block;margin-block-end:.5em;font-weight:600}
label,.soft,.bad{font-size:.9375em}
.soft{color:var(--3)}
.bad{font-weight:600;color:var(--7)}
.far{position:absolute;inline-size:1px;block-size:1px;overflow:hidden;clip-path:inset(50%)}
button,input,a{border:0;font:inherit;color:inherit;background:0}
button,a{display:flex;align-items:center;justify-content:center;min-block-size:max(48px,3.25em);border-radius:var(--r);font-weight:600;text-align:center;text-decoration:none;cursor:pointer}
.go,.more{inline-size:100%;border:1px solid transparent;margin-block-start:1.25em;padding:.5em 1em}
.go{color:var(--1);background:var(--0)}
.more,.link{color:var(--0)}
.more{background:${tint}}
button:hover{filter:brightness(.95)}
.link{min-block-size:44px;padding:0;font-weight:500;text-decoration:underline;text-underline-offset:.25em}
.last{margin:.5em auto -.75em}
[aria-disabled]{--0:var(--3);text-decoration:none;cursor:default}
[aria-busy]::after{content:"";inline-size:1em;block-size:1em;margin-inline-start:.5em;border:2px solid;border-inline-end-color:transparent;border-radius:50%}
.who{display:flex;flex-wrap:wrap;gap:0 .5em;align-items:center;justify-content:space-between;margin-block-start:.375em}
bdi{font-size:1.125em;font-weight:600}
.field,i{border:1px solid var(--6);border-radius:var(--r)}
.field{position:relative;display:flex}
.field:focus-within,.code:focus-within .on{outline:2px solid var(--0)}
.field>input{flex:1;min-inline-size:0;min-block-size:max(48px,3.25em);padding:0 .75em;font-size:max(16px,1.125em)}
.picker{min-inline-size:5em}
.code{container-type:inline-size;max-inline-size:calc(var(--n)*4.5em);position:relative;block-size:max(56px,3.75em);overflow:clip;overflow-clip-margin:4px}
.code *{--box:calc((100cqi + 8px)/var(--n) - 8px)}
.boxes{display:flex;gap:8px;block-size:100%}
i{inline-size:var(--box)}
.full{border-color:var(--0)}
:is(.field,.code):has([aria-invalid]){--0:var(--7);--6:var(--7)}
.mask{inline-size:fit-content}
.mask,.code input{font:500 1.25em ui-monospace,Menlo,Consolas,monospace}
.code input{position:absolute;inset:0 auto 0 0;inline-size:calc((var(--n) + 1)*(var(--box) + 8px));padding:0 0 0 calc((var(--box) - 1ch)/2);font-size:max(16px,min(1.75em,var(--box)*.8));letter-spacing:calc(var(--box) + 8px - 1ch);forced-color-adjust:none}
.code ::selection{background:#0000}
.code i.on{background:${tint}}
.art{display:grid;place-items:center;inline-size:5em;block-size:5em;margin:1.75em auto .5em;border-radius:50%;background:${tint}}
.seal{--0:var(--8);margin:0 0 1em;font-size:.75em}
.seal::after{content:"";inline-size:.75em;block-size:1.375em;margin-block-start:-.375em;border:solid var(--0);border-width:0 .25em .25em 0;rotate:45deg}
@media(prefers-reduced-motion:no-preference){
.view{animation:.3s in}
[aria-busy]::after{animation:.8s linear infinite turn}
}
@media(forced-colors:active){
:host{--2:canvastext!important}
[aria-disabled]{color:graytext}
}
@keyframes in{from{opacity:0}}
@keyframes turn{to{rotate:1turn}}`;

/** Dresses a shadow root. */
export const dress = dresser(CSS);
