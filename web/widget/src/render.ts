/** The face: builds the form once, and brings it in line with each state. */

import { codeField } from "./code-field";
import type { Codeless } from "./codeless";
import type { Controller, Problem, State } from "./controller";
import { countdown } from "./countdown";
import { grouped } from "./digits";
import { h, say, set } from "./dom";
import { about, fill, type Texts, type View, wayOf } from "./i18n/index";
import { phoneField } from "./phone-field";
import { explained } from "./problems";
import { lengthOf } from "./state";

export interface FaceOptions {
  texts: Texts;
  locale: string;
  /** Languages and regions that tell the country of a number without its code. */
  home: readonly (string | null | undefined)[];
  controller: Controller;
}

export interface Face {
  readonly node: HTMLElement;
  readonly heading: HTMLElement;
  /** Brings the form in line; if `lead` is set, the heading takes the focus at a new view, and that of a button that goes. */
  update(state: State, lead: boolean): void;
  /** Puts the focus where the person goes on. */
  focus(): void;
  /** Nothing runs on its own any more. */
  stop(): void;
}

function viewOf({ step, channel, offline }: State): View | null {
  // What a reload brought back goes on by itself once there is a service again.
  if (step === "loading") return offline ? "unavailable" : null;
  if (step === "waiting") return channel?.codeType ?? null;
  return step;
}

export function face({ texts, locale, home, controller }: FaceOptions): Face {
  let view: View | null = null;
  /** The problem that was drawn last, and the one whose sentence the person's typing took away. */
  let drawn: Problem | null = null;
  let forgiven: Problem | null = null;
  /** Whether the view is of a verification under way. */
  let session = false;
  let state = controller.state;

  // What every view has

  const heading = h("h2", { id: "heading", part: "heading", tabindex: -1, onkeydown: forward });
  const status = h("p", { id: "status", part: "status", role: "status" });
  const alert = warning();
  const spoken = h("p", { class: "far", role: "status" });

  // The number

  const phone = phoneField("phone", { texts, locale, home, oninput: correct });
  set(phone.input, "aria-describedby", "phone-error");
  const phoneForm = form("phone", phone.node, h("slot", { name: "captcha" }), () =>
    controller.send(phone.value()),
  );

  // The session

  const number = h("bdi", { part: "number", dir: "ltr" });
  const change = button("link", "change", texts.change, () => controller.changeNumber());
  const who = h("div", { class: "who" }, number, change);

  const mask = h("p", { class: "mask", part: "mask", "aria-hidden": true, dir: "ltr" });
  const code = codeField("code", { onfull: controller.submitCode, onedit: forgive });
  const note = h("p", { class: "soft", part: "note", id: "note" });
  const codeForm = form("code", code.node, note, () => controller.submitCode(code.input.value));
  set(code.input, "aria-describedby", "status code-error note");

  const elsewhere = h("div", { part: "codeless" });
  let asked: Promise<Codeless | null> | undefined;

  const resend = button("more", "resend", "", () => timer.ready() && controller.resend());
  const another = button("link last", "another", texts.another, () => {
    if (timer.ready()) controller.anotherWay();
  });
  const timer = countdown({ controller, texts, locale, buttons: [resend, another], spoken });
  /** Waits for the code of an SMS while it is set. */
  let reading: AbortController | undefined;

  // The end

  const seal = h("div", { class: "art seal", part: "seal" });
  const again = button("go", "again", "", () => controller.retry());

  const body = h(
    "div",
    { class: "view" },
    seal,
    heading,
    who,
    status,
    mask,
    phoneForm.node,
    codeForm.node,
    elsewhere,
    alert,
    resend,
    another,
    again,
    spoken,
  );
  const node = h(
    "div",
    { class: "card", part: "card", role: "group", "aria-labelledby": "heading", lang: locale },
    body,
  );

  /** One that has nothing of its own to do sends its form. */
  function button(kind: string, part: string, text: string, onclick?: () => void) {
    const type = onclick ? "button" : "submit";
    return h("button", { class: kind, part: `button ${part}`, type, onclick }, text);
  }

  function warning(id?: string) {
    return h("p", { class: "bad", part: "error", role: "alert", id });
  }

  /** One field with its name, its error, what else belongs to it, and the button that sends it. */
  function form(id: "phone" | "code", field: Node, more: Node, submit: () => void) {
    const error = warning(`${id}-error`);
    const go = button("go", "submit", texts.go);
    const onsubmit = (event: Event) => {
      event.preventDefault();
      submit();
    };
    const label = h("label", { for: id, part: "label" }, texts[id]);
    const node = h("form", { novalidate: true, onsubmit }, label, field, error, more, go);
    return { node, error, go };
  }

  /** The heading has the focus at first: what is typed or pasted there is meant for the code. */
  function forward(event: KeyboardEvent): void {
    const paste = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "v";
    if (view === "code" && (paste || /^\p{Nd}$/u.test(event.key))) code.input.focus();
  }

  /** The person corrects what was wrong: the sentence about it has been read. */
  function forgive(): void {
    forgiven = state.problem;
    set(phone.input, "aria-invalid", null);
    say(phoneForm.error);
    say(codeForm.error);
  }

  /** A number that is corrected while it is being sent to is the wrong one. */
  function correct(): void {
    forgive();
    controller.changeNumber();
  }

  /** Lets the browser read the code of an SMS by itself, where it can; it asks the person first. */
  function readSms(on: boolean): void {
    if (on === !!reading || !("OTPCredential" in globalThis)) return;
    reading?.abort();
    reading = on ? new AbortController() : undefined;
    const { signal } = reading ?? {};
    if (signal) import("./web-otp").then(({ webOtp }) => webOtp(signal, code.take)).catch(() => {});
  }

  function statusOf(): string {
    const { channel, step, changedFrom, offline } = state;
    if (offline) return texts.errors.net;
    if (!channel || step === "ended" || !session) return "";
    const doing = about(texts, 1, channel);
    const change = changedFrom ? fill(texts.changed, { doing }) : "";
    if (step === "waiting") return change || fill(texts.doing, { doing });
    // The service knows best what to say of a channel that there are no sentences for.
    const help = wayOf(texts, channel.type) ? null : channel.payload.help;
    return `${change} ${help ?? about(texts, 2, channel, lengthOf(state))}`.trim();
  }

  /** The end in the person's own time. */
  function noteOf(): string {
    const { channel, skewMs, step } = state;
    const end = channel?.payload.expiresAt;
    if (!end || step !== "code") return "";
    const until = new Date(Date.parse(end) - skewMs);
    const time = until.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });
    return fill(texts.until, { time });
  }

  function drawCode(lead: boolean): void {
    const { channel, problem } = state;
    const caller = channel?.type === "flashcall" || channel?.type === "voice";
    code.resize(state.lengths);
    set(code.input, "autocomplete", caller ? "off" : "one-time-code");
    say(mask, channel?.type === "flashcall" ? channel.payload.callerIdMask : "");
    say(note, noteOf());
    if (problem?.field === "code" && problem !== drawn) code.reject(lead);
    readSms(channel?.type === "sms" && !state.busy);
  }

  function drawElsewhere(): void {
    asked ??= import("./codeless").then(
      ({ codeless }) => codeless(texts, elsewhere),
      () => {
        asked = undefined; // asked for again at the next news of the channel
        return null;
      },
    );
    asked.then((drawn) => state.channel && drawn?.draw(state.channel));
  }

  function drawErrors(lead: boolean): void {
    const { problem } = state;
    const old = problem && problem === forgiven;
    const text = old ? "" : explained(texts, locale, state, controller.now());
    const here = view === "phone" ? phoneForm.error : view === "code" ? codeForm.error : alert;
    // What the status says is not said twice.
    const news = text === status.textContent ? "" : text;
    for (const each of [phoneForm.error, codeForm.error, alert])
      say(each, each === here ? news : "");
    const wrong = problem?.field === "recipient";
    set(phone.input, "aria-invalid", !old && wrong);
    if (lead && wrong && problem !== drawn) phone.input.focus();
    drawn = problem;
  }

  function show(): void {
    session = /^(code|ended)/.test(view as string);
    seal.hidden = view !== "verified";
    phoneForm.node.hidden = view !== "phone";
    who.hidden = seal.hidden && !session;
    change.hidden = !seal.hidden;
    codeForm.node.hidden = mask.hidden = view !== "code";
    elsewhere.hidden = view !== "codeless";
    // Where nothing is left to restart, the button above it goes another way itself.
    const { next, another: other = next } = state.channel?.payload ?? {};
    another.hidden = !session || next?.action !== "restart" || !other;
    again.hidden = view !== "over" && view !== "unavailable";
    say(again, view === "over" ? texts.restart : texts.retry);
    set(resend, "class", view === "ended" ? "go" : "more");
  }

  function update(next: State, lead: boolean): void {
    const wanted = viewOf(next) ?? view;
    const fresh = wanted !== view;
    const focused = node.querySelector<HTMLElement>(":focus");
    if (next.step === "waiting" && state.step !== "waiting") code.renew();
    state = next;
    if (fresh && wanted === "phone" && !phone.input.value) phone.input.value = state.typedPhone;
    // The first view of a face has what was typed into the one before it.
    if (fresh && view) code.clear();
    view = wanted;
    if (view === "phone") phone.shown();
    node.hidden = !view;
    set(node, "data-step", state.step);
    set(node, "data-channel", state.channel?.type);
    set(node, "data-busy", state.busy);
    say(heading, view ? texts.titles[view] : "");
    show();
    say(number, grouped(state.recipient ?? ""));
    if (view === "code") drawCode(lead);
    else readSms(false);
    if (view === "codeless") drawElsewhere();
    say(status, statusOf());
    drawErrors(lead);
    // Until the channel is known the number is still on the screen.
    const sending = state.busy === "sending" || (view === "phone" && state.step === "waiting");
    set(phoneForm.go, "aria-busy", sending);
    set(codeForm.go, "aria-busy", state.busy === "checking");
    timer.draw(state, session);
    // A button that was pressed may be there no more.
    if (lead && (fresh || focused?.hidden)) heading.focus();
  }

  return {
    node,
    heading,
    update,
    focus() {
      (view === "phone" ? phone.input : view === "code" ? code.input : heading).focus();
    },
    stop() {
      timer.stop();
      readSms(false);
    },
  };
}
