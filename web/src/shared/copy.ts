/** To the clipboard; false where the browser refuses, so that the page can say so. */
export async function copyText(text: string | Promise<string>): Promise<boolean> {
  try {
    // Safari and Firefox only allow a write that began within the click or
    // key press, so a text still to come is handed over as a promise.
    if (typeof text !== 'string' && typeof ClipboardItem === 'function') {
      const blob = text.then((value) => new Blob([value], { type: 'text/plain' }))
      await navigator.clipboard.write([new ClipboardItem({ 'text/plain': blob })])
    } else {
      await navigator.clipboard.writeText(await text)
    }
    return true
  } catch {
    return false
  }
}
