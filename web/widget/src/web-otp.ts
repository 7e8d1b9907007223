/** Codes that the browser reads from an SMS by itself. */

interface OtpCredential extends Credential {
  code?: string;
}

/** Waits for one message until `signal` aborts. */
export async function webOtp(signal: AbortSignal, onfound: (code: string) => void): Promise<void> {
  const request = { otp: { transport: ["sms"] }, signal } as CredentialRequestOptions;
  try {
    const { code } = ((await navigator.credentials.get(request)) ?? {}) as OtpCredential;
    if (code && !signal.aborted) onfound(code);
  } catch {
    // Refused or withdrawn: the person types it.
  }
}
