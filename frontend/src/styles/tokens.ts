/** Colours as variables, light and dark; every text colour has at least 4.5:1 on its background. */
export const tokens = `
:root {
  --page: #ffffff; --raised: #f6f8fa; --text: #1f2328; --muted: #57606a; --line: #d0d7de;
  --link: #0b57d0; --focus: #0b57d0; --selected: #e8f0fe; --code: #f0f2f4;
  --error: #b3261e; --warning: #8a5000; --info: #0b57d0; --healthy: #1a6e34;
  --fill-error: #c5221f; --fill-warning: #b06f00; --fill-info: #1967d2;
  color-scheme: light;
}
:root[data-theme="dark"] {
  --page: #303030; --raised: #3a3a3a; --text: #ececec; --muted: #bcc1c6; --line: #5a5a5a;
  --link: #a8c7fa; --focus: #a8c7fa; --selected: #3b4658; --code: #262626;
  --error: #ffa8a2; --warning: #ffc26b; --info: #a8c7fa; --healthy: #8fdba4;
  --fill-error: #ff8f88; --fill-warning: #ffb74d; --fill-info: #8ab4f8;
  color-scheme: dark;
}
`;
