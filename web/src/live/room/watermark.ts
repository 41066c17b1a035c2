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
  forcedColorAdjust: 'none',
} as Partial<CSSStyleDeclaration>
const PLACES = 9
const LOOK_MS = 1000

/** Lays the mark over `stage`; `onTampered` is told when it goes, fades or changes. */
export function layWatermark(stage: HTMLElement, text: string, onTampered: () => void): () => void {
  const mark = document.createElement('div')
  mark.setAttribute('aria-hidden', 'true')
  mark.dataset.watermark = ''
  // A browser that translates would write into it: nobody meant to tamper.
  mark.setAttribute('translate', 'no')
  mark.className = 'notranslate'
  Object.assign(mark.style, STYLE)
  for (let i = 0; i < PLACES; i++) {
    const one = document.createElement('span')
    // Every other place, so that faces stay free.
    one.textContent = i % 2 === 0 ? text : ''
    mark.append(one)
  }
  stage.append(mark)
  let told = false
  const tell = () => {
    if (told) return
    told = true
    stop()
    onTampered()
  }
  const check = () => {
    if (!isIntact(stage, mark)) tell()
  }
  // Nobody has a reason to change it: whatever changes is tampering.
  const own = new MutationObserver(tell)
  own.observe(mark, { childList: true, subtree: true, attributes: true, characterData: true })
  const around = new MutationObserver(check)
  around.observe(stage, { childList: true })
  // A style sheet can hide it without any mutation.
  const timer = setInterval(check, LOOK_MS)
  document.addEventListener('fullscreenchange', check)
  function stop() {
    own.disconnect()
    around.disconnect()
    clearInterval(timer)
    document.removeEventListener('fullscreenchange', check)
  }
  return () => {
    told = true
    stop()
    mark.remove()
  }
}

// What a style sheet would have to change to hide it, and what it must be.
const WHITE = ['rgb(255, 255, 255)', '#ffffff']
const PLAIN: Record<string, readonly string[]> = {
  visibility: ['visible'],
  color: WHITE,
  'content-visibility': ['visible'],
  '-webkit-text-fill-color': WHITE,
  transform: ['none'],
  translate: ['none'],
  scale: ['none'],
  rotate: ['none'],
  filter: ['none'],
  'clip-path': ['none'],
  clip: ['auto'],
  'mask-image': ['none'],
  'mix-blend-mode': ['normal'],
  'text-indent': ['0px'],
  'letter-spacing': ['normal', '0px'],
}
const MARK: Record<string, readonly string[]> = { ...PLAIN, display: ['grid'], position: ['absolute'], 'z-index': ['1'], opacity: ['0.22'] }
const SPAN: Record<string, readonly string[]> = { ...PLAIN, display: ['block', 'inline'], position: ['static'], opacity: ['1'] }

export function isIntact(stage: HTMLElement, mark: HTMLElement): boolean {
  if (mark.parentNode !== stage) return false
  // A part of the stage on the whole screen would be the picture alone.
  const full = document.fullscreenElement
  if (full && stage.contains(full) && !full.contains(mark)) return false
  if (!looksLike(mark, MARK) || !isWhereItWasLaid(stage, mark)) return false
  for (const one of mark.children) {
    if (!looksLike(one, SPAN)) return false
    if (one.textContent !== '' && !isReadable(one, mark)) return false
  }
  // Nothing in the stage is lifted above it.
  return [...stage.children].every((one) => one === mark || looksLike(one, { 'z-index': ['auto', '0'], isolation: ['isolate'] }))
}

/** What a browser does not know (an empty answer) cannot hide anything in it. */
function looksLike(element: Element, wanted: Record<string, readonly string[]>): boolean {
  const look = getComputedStyle(element)
  return Object.entries(wanted).every(([name, allowed]) => {
    const is = look.getPropertyValue(name)
    return is === '' || allowed.includes(is)
  })
}

const NEAR = 2

/** The 16:9 box in the middle of the stage, as the style above lays it. */
function isWhereItWasLaid(stage: HTMLElement, mark: HTMLElement): boolean {
  const around = stage.getBoundingClientRect()
  if (around.width === 0 || around.height === 0) return true
  const box = mark.getBoundingClientRect()
  const near = (is: number, wanted: number) => Math.abs(is - wanted) <= NEAR
  return (
    near(box.width, Math.min(around.width, (around.height * 16) / 9)) &&
    near(box.height, Math.min(around.height, (around.width * 9) / 16)) &&
    near(box.left + box.width / 2, around.left + around.width / 2) &&
    near(box.top + box.height / 2, around.top + around.height / 2)
  )
}

const SMALLEST_PX = 11

function isReadable(span: Element, mark: HTMLElement): boolean {
  const around = mark.getBoundingClientRect()
  // Too small a picture to be worth a mark, or none is laid out at all.
  if (around.width < 120 || around.height < 60) return true
  const size = Number.parseFloat(getComputedStyle(span).fontSize)
  const box = span.getBoundingClientRect()
  const middle = { x: box.left + box.width / 2, y: box.top + box.height / 2 }
  return size >= SMALLEST_PX - 0.5 && box.height >= size / 2 && middle.x >= around.left && middle.x <= around.right && middle.y >= around.top && middle.y <= around.bottom
}
