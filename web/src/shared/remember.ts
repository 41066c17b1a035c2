// localStorage that may be forbidden (private windows, policies): then
// nothing is remembered and nothing breaks.
export function recall(key: string): string | null {
  try {
    return localStorage.getItem(`cs.${key}`)
  } catch {
    return null
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(`cs.${key}`, value)
  } catch {
    // Not remembered: asked again next time.
  }
}
