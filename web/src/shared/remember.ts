// The browser's own stores may be forbidden (private windows, policies): then
// nothing is remembered and nothing breaks.
type Store = () => Storage
const always: Store = () => localStorage
/** For as long as the tab lives. */
export const thisTab: Store = () => sessionStorage

export function recall(key: string, store = always): string | null {
  try {
    return store().getItem(`cs.${key}`)
  } catch {
    return null
  }
}

export function remember(key: string, value: string, store = always): void {
  try {
    store().setItem(`cs.${key}`, value)
  } catch {
    // Not remembered: asked again next time.
  }
}

export function forget(key: string, store = always): void {
  try {
    store().removeItem(`cs.${key}`)
  } catch {
    // Nothing was kept there.
  }
}
