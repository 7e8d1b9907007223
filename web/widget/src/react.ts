/** `<kaskad-otp>` as a React component, for React 18 and later. */

import {
  createElement,
  type ReactElement,
  type Ref,
  useEffect,
  useImperativeHandle,
  useRef,
} from "react";
import { KaskadOtp, type Verdict } from "./define";

export interface KaskadOtpProps {
  widgetId: string;
  apiUrl?: string;
  locale?: string;
  country?: string;
  theme?: "auto" | "light" | "dark";
  autoFocus?: boolean;
  required?: boolean;
  className?: string;
  /** The element, for `reset()` and `verdict`. */
  elementRef?: Ref<KaskadOtp>;
  onVerified?(verdict: Verdict): void;
  /** Every other event, by its name: `otp-sent`, `otp-error`, ... */
  onEvent?(name: string, detail: object): void;
}

const EVENTS = [
  "otp-ready",
  "otp-sent",
  "otp-channel-change",
  "otp-code-error",
  "otp-verified",
  "otp-expired",
  "otp-error",
  "otp-resend",
];

/** The form; a change of `widgetId` or `apiUrl` begins anew. */
export function KaskadOtpForm(props: KaskadOtpProps): ReactElement {
  const own = useRef<KaskadOtp | null>(null);
  const latest = useRef(props);
  latest.current = props;

  useEffect(() => {
    const element = own.current;
    const hear = (event: Event): void => {
      const { onVerified, onEvent } = latest.current;
      const { detail } = event as CustomEvent<object>;
      if (event.type === "otp-verified") onVerified?.(detail as Verdict);
      onEvent?.(event.type, detail);
    };
    for (const name of EVENTS) element?.addEventListener(name, hear);
    return () => {
      for (const name of EVENTS) element?.removeEventListener(name, hear);
    };
  }, []);

  useImperativeHandle(props.elementRef, () => own.current as KaskadOtp, []);
  return createElement("kaskad-otp", {
    ref: own,
    "widget-id": props.widgetId,
    "api-url": props.apiUrl,
    locale: props.locale,
    country: props.country,
    theme: props.theme,
    // A property of every element, which React 19 sets rather than the attribute.
    autofocus: props.autoFocus || undefined,
    required: props.required ? "" : undefined,
    class: props.className,
  });
}

export { KaskadOtp, type Verdict };
