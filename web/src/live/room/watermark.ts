// The viewer's name over the picture. Plain DOM rather than React, so that
// what is watched is exactly what was made. It deters and tells; it is no
// protection against somebody who owns the browser.

const STYLE: Partial<CSSStyleDeclaration> = {
  // Over the picture, not over the black beside it: the stage is a container.
  position: 'absolute',
  inset: '0',
  margin: 'auto',
  width: 'min(100cqw, 177.78cqh)',
  height: 'min(100cqh, 56.25cqw)',
  zIndex: '1',
  display: 'grid',
  gridTemplateColumns: 'repeat(3, 1fr)',
  placeItems: 'center',
  pointerEvents: 'none',
  userSelect: 'none',
  overflow: 'hidden',
  opacity: '0.22',
  visibility: 'visible',
  color: '#ffffff',
  fontSize: 'clamp(11px, 1.6vmin, 16px)',
  textShadow: '0 0 2px #000000',
}
const LOOK_MS = 1000

/** Lays the mark over `stage`; `onTampered` is told when it goes or fades. */
export function layWatermark(stage: HTMLElement, text: string, onTampered: () => void): () => void {
  const mark = document.createElement('div')
  mark.setAttribute('aria-hidden', 'true')
  Object.assign(mark.style, STYLE)
  for (let i = 0; i < 9; i++) {
    const one = document.createElement('span')
    // Every other place, so that faces stay free.
    one.textContent = i % 2 === 0 ? text : ''
    mark.append(one)
  }
  stage.append(mark)
  let told = false
  const check = () => {
    if (told || intact(stage, mark, text)) return
    told = true
    stop()
    onTampered()
  }
  const observer = new MutationObserver(check)
  observer.observe(stage, { childList: true })
  observer.observe(mark, { childList: true, subtree: true, attributes: true, characterData: true })
  // A style sheet can hide it without any mutation.
  const timer = setInterval(check, LOOK_MS)
  function stop() {
    observer.disconnect()
    clearInterval(timer)
  }
  return () => {
    told = true
    stop()
    mark.remove()
  }
}

function intact(stage: HTMLElement, mark: HTMLElement, text: string): boolean {
  if (mark.parentNode !== stage || mark.hidden) return false
  if (![...mark.children].every((one, i) => one.textContent === (i % 2 === 0 ? text : ''))) return false
  if (mark.children.length !== 9) return false
  const look = getComputedStyle(mark)
  return look.display === 'grid' && look.visibility === 'visible' && Number(look.opacity) >= 0.2
}
