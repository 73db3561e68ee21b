
// Goes on when the frames have loaded, or after a while without them.
(() => {
  "use strict";
  const go = () => location.replace(document.getElementById("next").href);
  addEventListener("load", go);
  setTimeout(go, 4000);
})();
