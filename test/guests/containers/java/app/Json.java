import java.util.Arrays;
import java.util.stream.Collectors;

/** As much of JSON as the answers need. */
final class Json {
    /** JSON text that stands for itself. */
    record Text(String text) {
        @Override
        public String toString() {
            return text;
        }
    }

    private Json() {}

    /** Names and values by turns. */
    static String object(Object... members) {
        var text = new StringBuilder();
        for (int i = 0; i < members.length; i += 2)
            text.append(i == 0 ? "{" : ",").append(value(members[i])).append(':').append(value(members[i + 1]));
        return text.append('}').toString();
    }

    static Text array(Object... values) {
        return new Text(Arrays.stream(values).map(Json::value).collect(Collectors.joining(",", "[", "]")));
    }

    private static String value(Object value) {
        if (value instanceof String text)
            return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n") + '"';
        return String.valueOf(value);
    }
}
