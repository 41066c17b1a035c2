/** Marks the field that was refused, ties the words of `note` to it and goes there. Typing in it takes the mark away. */
export function markField(form: HTMLFormElement, name: string | null, note: string): void {
  for (const old of form.querySelectorAll('[aria-invalid=true]')) unmark(old)
  const named = name === null ? null : form.elements.namedItem(name)
  const control = named instanceof RadioNodeList ? named[0] : named
  if (!(control instanceof HTMLElement)) return
  control.setAttribute('aria-invalid', 'true')
  control.setAttribute('aria-describedby', note)
  control.addEventListener('input', () => unmark(control), { once: true })
  control.focus()
}

function unmark(control: Element): void {
  control.removeAttribute('aria-invalid')
  control.removeAttribute('aria-describedby')
}
