/** The button that asks for another message, with the time until it may be pressed inside. */

import type { Controller, State } from "./controller";
import { say, set } from "./dom";
import { about, duration, fill, type Texts } from "./i18n/index";

export interface Countdown {
  /** Counts for the state; the buttons are there while a verification is under way. */
  draw(state: State, live: boolean): void;
  ready(): boolean;
  stop(): void;
}

const SPOKEN_AT_S = 30;

/**
 * Runs on the service's clock. The buttons stay focusable while it counts; a screen reader hears
 * 30 seconds, also when it begins there, and the end, and no second between; whoever comes by later
 * finds neither. The first button bears the label.
 */
export function countdown({
  controller,
  texts,
  locale,
  buttons,
  spoken,
}: {
  controller: Controller;
  texts: Texts;
  locale: string;
  buttons: [HTMLElement, HTMLElement];
  spoken: HTMLElement;
}): Countdown {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let label = "";
  let until = 0;
  let held = false;
  let before: number | null = null;

  const left = (): number => Math.max(0, Math.ceil((until - controller.now()) / 1000));

  function tick(): void {
    clearTimeout(timer);
    const seconds = left();
    const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    for (const each of buttons) set(each, "aria-disabled", seconds > 0 || held);
    say(buttons[0], seconds ? fill(texts.later, { label, time: clock }) : label);
    if (before !== seconds) announce(seconds);
    before = seconds;
    if (seconds) timer = setTimeout(tick, ((until - controller.now() - 1) % 1000) + 2);
  }

  function announce(seconds: number): void {
    const time = duration(locale, seconds);
    const news = seconds === SPOKEN_AT_S ? texts.later : !seconds && before ? texts.ready : "";
    say(spoken, fill(news, { label, time }));
  }

  return {
    draw({ step, channel, busy }, live) {
      const next = channel?.payload.next;
      const ended = step === "ended";
      buttons[0].hidden = !live || (!next && !ended);
      set(buttons[0], "aria-busy", busy === "resending");
      if (buttons[0].hidden) return stop();
      const restart = next?.action !== "channel";
      const move = next ?? channel;
      const action = move && about(texts, 0, move);
      // After a reload nobody has told what it would be.
      label = action ? fill(restart ? texts.again : texts.instead, { action }) : texts.retry;
      until = ended ? 0 : Date.parse(channel?.payload.resendAt ?? "") || 0;
      held = busy === "resending" || (!until && step === "waiting");
      if (held) say(spoken);
      tick();
    },
    ready: () => !held && !left(),
    stop,
  };

  function stop(): void {
    clearTimeout(timer);
    say(spoken);
    before = null;
  }
}
