/**
 * What a person does elsewhere: a link to follow, a number to call, a picture to scan.
 *
 * It comes in a file of its own when a channel without a code is drawn; what to do is said without it.
 */

import { dresser } from "./adopt";
import type { Channel } from "./api";
import { grouped } from "./digits";
import { h, say, set } from "./dom";
import { fill, type Texts } from "./i18n/index";

export interface Codeless {
  draw(channel: Channel): void;
}

const LINKS = /^(https?|tel|tg|viber|whatsapp|vk):/i;
const PHONE = "M8 2h8a2 2 0 0 1 2 2v16a2 2 0 0 1-2 2H8a2 2 0 0 1-2-2V4a2 2 0 0 1 2-2zm3 17h2";

const CSS = `
svg{inline-size:2.25em;fill:none;stroke:var(--0);stroke-width:1.75;stroke-linecap:round;stroke-linejoin:round}
figure{display:none}
figcaption{margin-block-start:.75em}
figure svg{inline-size:10em;margin:1.5em auto 0;padding:.75em;border-radius:var(--r);fill:#000;stroke:#000;stroke-width:0;background:#fff}
figure [stroke]{stroke-width:1}
@media(forced-colors:active){.art svg{stroke:canvastext}}
@media(hover:hover){figure{display:block;text-align:center}}
@media(prefers-reduced-motion:no-preference){.ring{animation:2.4s ease-out infinite ring}}
@keyframes ring{0%{outline:0 solid color-mix(in srgb,var(--0) 30%,transparent)}70%,to{outline:1.25em solid transparent}}`;

const dress = dresser(CSS);

/**
 * Draws into a place in a form; `null` if that has been taken away meanwhile. The link is offered to
 * those who hold the phone; the picture to those who sit before a desktop.
 */
export function codeless(texts: Texts, place: HTMLElement): Codeless | null {
  const root = place.getRootNode();
  if (!(root instanceof ShadowRoot)) return null;
  dress(root);
  const link = h("a", { class: "go", part: "button link", target: "_blank", rel: "noopener" });
  const drawing = h("div", { part: "qr" });
  const qr = h("figure", {}, drawing, h("figcaption", { class: "soft" }, texts.scan));
  let drawn = "";
  place.append(h("div", { class: "art ring", part: "art" }, icon(24, PHONE)), link, qr);
  return {
    draw({ payload, label }) {
      const { phone, url = phone ? `tel:${phone}` : "", qr: source = "" } = payload;
      const safe = LINKS.test(url);
      link.hidden = !safe;
      set(link, "href", safe ? url : null);
      say(link, phone ? grouped(phone) : fill(texts.open, { app: label }));
      qr.hidden = !source;
      if (source === drawn) return;
      drawn = source;
      drawing.replaceChildren(picture(source) ?? "");
    },
  };
}

const SVG = "http://www.w3.org/2000/svg";

/** A drawing of one path that says nothing to a screen reader. */
function icon(size: number, path: string): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  const line = document.createElementNS(SVG, "path");
  set(svg, "viewBox", `0 0 ${size} ${size}`);
  set(svg, "aria-hidden", "true");
  set(line, "d", path);
  svg.append(line);
  return svg;
}

const SHAPES = /^(svg|g|path|rect)$/;
const GEOMETRY = /^(viewBox|d|x|y|width|height|transform|stroke|stroke-width|fill|fill-rule)$/;

/** A picture from the service, of which only plain shapes are taken over; `null` if it is none. */
function picture(source: string): SVGElement | null {
  const copy = (from: Element): SVGElement | null => {
    if (!SHAPES.test(from.localName)) return null;
    const node = document.createElementNS(SVG, from.localName) as SVGElement;
    for (const { name, value } of from.attributes) if (GEOMETRY.test(name)) set(node, name, value);
    for (const child of from.children) node.append(copy(child) ?? "");
    return node;
  };
  const root = new DOMParser().parseFromString(source, "image/svg+xml").documentElement;
  const svg = root.localName === "svg" ? copy(root) : null;
  if (svg && !svg.hasAttribute("viewBox")) {
    set(
      svg,
      "viewBox",
      `0 0 ${parseFloat(root.getAttribute("width") ?? "")} ${parseFloat(root.getAttribute("height") ?? "")}`,
    );
  }
  return svg;
}
