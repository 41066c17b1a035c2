// The desk's colours, apart from the style sheet so that a test can measure
// them: text reaches 4.5 to 1 on every ground, the edge of a field 3 to 1.
export const light = {
  ground: '#fafafb',
  surface: '#ffffff',
  sunken: '#f1f2f4',
  hover: '#f1f3f6',
  line: '#dfe1e6',
  edge: '#878d98',
  text: '#1a1c1f',
  quiet: '#5b616b',
  accent: '#2c5aa8',
  onAccent: '#ffffff',
  accentSoft: '#e8eef8',
  good: '#1b7a4d',
  warning: '#b26a00',
  bad: '#c9353b',
  badSoft: '#fbecec',
  shadow: '0 8px 28px rgb(20 24 32 / 16%), 0 0 0 1px rgb(20 24 32 / 6%)',
}

export const dark: typeof light = {
  ground: '#121315',
  surface: '#191a1d',
  sunken: '#0d0e10',
  hover: '#212327',
  line: '#2c2f34',
  edge: '#6b7079',
  text: '#e5e7ea',
  quiet: '#9ca2ab',
  accent: '#8db1ee',
  onAccent: '#0d1420',
  accentSoft: '#1d2736',
  good: '#3cb87c',
  warning: '#f0a93a',
  bad: '#f2767b',
  badSoft: '#331b1d',
  shadow: '0 8px 28px rgb(0 0 0 / 50%), 0 0 0 1px rgb(255 255 255 / 7%)',
}
