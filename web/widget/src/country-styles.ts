/**
 * The look of the country list; colours are those of the form. The list opens inside the field: what
 * lies over the form would cover the button below, and be cut off in a dialog.
 */

export const COUNTRY_CSS = `
.field{flex-wrap:wrap}
.picker{display:contents}
.country{display:flex;align-items:center;min-inline-size:5em;padding:0 .5em 0 1em;border:0;border-radius:var(--r);font-weight:400;color:var(--3);white-space:nowrap}
.country:focus-visible{outline-offset:-4px}
.country::after{content:"";inline-size:.4em;block-size:.4em;margin:-.25em .25em 0 .625em;border:solid;border-width:0 2px 2px 0;rotate:45deg}
.country:hover{color:var(--2)}
.panel{order:1;flex:0 0 100%;padding:0 .5em .5em}
.panel input{inline-size:100%;min-block-size:44px;padding:0 .75em;border:2px solid var(--0);border-radius:calc(var(--r)*.6);font-size:max(16px,1em)}
ul{max-block-size:15em;margin-block-start:.5em;padding:0;overflow:auto;overscroll-behavior:contain;list-style:none}
li{display:flex;gap:1em;align-items:center;justify-content:space-between;min-block-size:44px;padding:.25em .75em;border-radius:calc(var(--r)*.6);cursor:pointer}
li span+span{color:var(--3);font-variant-numeric:tabular-nums}
li:hover{background:color-mix(in srgb,var(--3) 9%,var(--4))}
li[aria-selected=true]{outline:2px solid transparent;outline-offset:-2px;background:color-mix(in srgb,var(--0) 14%,var(--4))}
`;
